// The kqueue backend, and the same on a queue that misbehaves within its rights: it is interrupted,
// tells less than it knows, and reports sockets that are not ready; io_uring with either way to
// read and write files.
#include "io/backend_kqueue.h"
#include "io/backend_uring.h"
#include "io/kernel_queue.h"
#include "io/loop_conformance.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <utility>

#include <kqueue_emulation/hooks.h>

namespace blockd::io {
namespace {

uint64_t choose_seed() {
    const char* const chosen = std::getenv("BLOCKD_CHAOS_SEED");
    const uint64_t seed =
        chosen == nullptr ? std::random_device()() : std::strtoull(chosen, nullptr, 10);
    return seed | 1;  // 0 would be no chaos.
}

// Each test's queue has the same seed: a test that fails can be run alone.
Result<std::unique_ptr<Backend>> make_chaotic_backend(const BackendOptions& options) {
    static const uint64_t seed = choose_seed();
    std::printf("BLOCKD_CHAOS_SEED=%llu\n", static_cast<unsigned long long>(seed));
    const int32_t number = open_kernel_queue();
    EXPECT_GE(number, 0);
    struct kevent doorbell {};
    doorbell.filter = EVFILT_USER;
    doorbell.flags = EV_ADD | EV_ENABLE | EV_CLEAR;
    EXPECT_EQ(wait_in_kernel_queue(number, {.changes = &doorbell,
                                            .change_count = 1,
                                            .events = nullptr,
                                            .event_count_max = 0,
                                            .wait_ns = 0}),
              0);
    EXPECT_EQ(::kqueue_set_chaos(number, seed), 0);
    return std::unique_ptr<Backend>(
        std::make_unique<KqueueBackend>(std::make_unique<KernelQueue>(number), options));
}

Result<std::unique_ptr<Backend>> make_uring_for_sockets(const BackendOptions& options) {
    BackendOptions chosen = options;
    chosen.file_transfers = FileTransfers::on_disk_workers;
    return make_uring_backend(chosen);
}

}  // namespace

// Where io_uring is denied, the tests of UringTest are skipped and say why.
std::span<const BackendChoice> backend_choices() {
    static constexpr size_t without_uring = 2;
    static constexpr std::array<BackendChoice, 4> all = {
        BackendChoice{.name = "kqueue", .make = make_kqueue_backend},
        BackendChoice{.name = "kqueue_with_chaos", .make = make_chaotic_backend},
        BackendChoice{.name = "io_uring", .make = make_uring_backend},
        BackendChoice{.name = "io_uring_for_sockets", .make = make_uring_for_sockets},
    };
    return std::span(all).first(probe_uring() == 0 ? all.size() : without_uring);
}

}  // namespace blockd::io
