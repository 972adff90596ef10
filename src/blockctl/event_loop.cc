#include "blockctl/event_loop.h"

#include <utility>

#include "blockctl/message.h"

namespace blockd::blockctl {

// A command goes on with the slower backend without a word: whoever runs it can change nothing.
std::unique_ptr<io::Loop> make_loop(uint32_t disk_worker_count) {
    Result<io::MadeBackend> made = io::make_backend(
        io::BackendKind::automatic,
        {.disk_workers = disk_worker_count, .file_transfers = io::FileTransfers::on_disk_workers});
    if (!made) {
        complain("cannot start: " + words_of(made.error()));
        return nullptr;
    }
    return std::make_unique<io::Loop>(std::move(made->backend));
}

}  // namespace blockd::blockctl
