#include "blockctl/event_loop.h"

#include <utility>

#include "blockctl/message.h"

namespace blockd::blockctl {

std::unique_ptr<io::Loop> make_loop(uint32_t disk_worker_count) {
    auto backend = io::make_kqueue_backend({.disk_workers = disk_worker_count});
    if (!backend) {
        complain("cannot start: " + words_of(backend.error()));
        return nullptr;
    }
    return std::make_unique<io::Loop>(std::move(*backend));
}

}  // namespace blockd::blockctl
