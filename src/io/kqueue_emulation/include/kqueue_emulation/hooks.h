// What the emulated kqueue needs and a real one does not. Only files that are built for Linux
// alone may include this.
#pragma once

#include <cstdint>

namespace blockd::kqueue_emulation {

// System calls made on behalf of one queue since it was created.
struct Statistics {
    std::uint64_t epoll_ctl_calls;
    std::uint64_t epoll_wait_calls;
    std::uint64_t doorbell_writes;
};

}  // namespace blockd::kqueue_emulation

extern "C" {

// Drops every event of a file descriptor from every queue, without reporting anything. To be called
// BEFORE close(2) of a descriptor that was ever added to one: epoll watches the open file, not the
// number, so a dup would keep the registration alive where nothing can reach it any more, and the
// next file that gets the number would be taken for the old one. Any thread; any fd is fine.
void kqueue_forget(int fd);

// Closes a queue. A thread that waits in it comes back with EBADF. -1 with EBADF for no queue.
int kqueue_close(int kq);

// -1 with EBADF for no queue.
int kqueue_statistics(int kq, blockd::kqueue_emulation::Statistics* statistics);

// A queue that misbehaves within its rights, to find what its user relies on and should not: it is
// interrupted, reports fewer events than it has, and reports descriptors that are not ready. Seed 0
// ends it. -1 with EBADF for no queue.
int kqueue_set_chaos(int kq, std::uint64_t seed);
}
