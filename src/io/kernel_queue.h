// kqueue(2), as far as systems differ: how to poll without sleeping, and what closing takes.
//
// Chosen by meson: kernel_queue_darwin.cc, kernel_queue_freebsd.cc, kernel_queue_linux.cc (on the
// emulation). May be used by several threads at once, but one thread alone waits.
#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/event.h>

namespace blockd::io {

// A new queue, or a negated errno.
int32_t open_kernel_queue();
void close_kernel_queue(int32_t queue);

// Closes its queue at the end of its life.
class KernelQueue {
  public:
    explicit KernelQueue(int32_t queue) : number_(queue) {}
    KernelQueue(const KernelQueue&) = delete;
    KernelQueue& operator=(const KernelQueue&) = delete;
    ~KernelQueue() { close_kernel_queue(number_); }

    int32_t number() const { return number_; }

  private:
    int32_t number_;
};

// To be called before close(2) of any fd that a queue may watch.
void forget_in_kernel_queues(int32_t fd);

struct KernelQueueWait {
    const struct kevent* changes;
    size_t change_count;
    struct kevent* events;
    size_t event_count_max;
    uint64_t wait_ns;  // 0 never sleeps.
};

// kevent(2): applies the changes, then waits. How many events came, or a negated errno.
int32_t wait_in_kernel_queue(int32_t queue, const KernelQueueWait& wait);

}  // namespace blockd::io
