// kqueue(2), FreeBSD: a zero timeout polls without sleeping, and closing a file drops its events.
#include "io/kernel_queue.h"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace blockd::io {

int32_t open_kernel_queue() {
    const int queue = ::kqueue();
    if (queue < 0) return -errno;
    ::fcntl(queue, F_SETFD, FD_CLOEXEC);
    return queue;
}

void close_kernel_queue(int32_t queue) { ::close(queue); }

void forget_in_kernel_queues(int32_t) {}

int32_t wait_in_kernel_queue(int32_t queue, const KernelQueueWait& wait) {
    const timespec timeout = {.tv_sec = static_cast<time_t>(wait.wait_ns / 1'000'000'000),
                              .tv_nsec = static_cast<long>(wait.wait_ns % 1'000'000'000)};
    const int count = ::kevent(queue, wait.changes, static_cast<int>(wait.change_count),
                               wait.events, static_cast<int>(wait.event_count_max), &timeout);
    return count < 0 ? -errno : count;
}

}  // namespace blockd::io
