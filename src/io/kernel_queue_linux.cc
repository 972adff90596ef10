// The project's own kqueue, over epoll and eventfd.
#include "io/kernel_queue.h"

#include <cerrno>
#include <ctime>

#include <kqueue_emulation/hooks.h>

namespace blockd::io {

int32_t open_kernel_queue() {
    const int queue = ::kqueue();
    return queue < 0 ? -errno : queue;
}

void close_kernel_queue(int32_t queue) { ::kqueue_close(queue); }

void forget_in_kernel_queues(int32_t fd) { ::kqueue_forget(fd); }

int32_t wait_in_kernel_queue(int32_t queue, const KernelQueueWait& wait) {
    const timespec timeout = {.tv_sec = static_cast<time_t>(wait.wait_ns / 1'000'000'000),
                              .tv_nsec = static_cast<long>(wait.wait_ns % 1'000'000'000)};
    const int count = ::kevent(queue, wait.changes, static_cast<int>(wait.change_count),
                               wait.events, static_cast<int>(wait.event_count_max), &timeout);
    return count < 0 ? -errno : count;
}

}  // namespace blockd::io
