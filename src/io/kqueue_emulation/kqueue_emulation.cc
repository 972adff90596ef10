// The C interface: which number is which queue, and what fork() and close() do to them.
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <new>

#include "io/kqueue_emulation/event_queue.h"

namespace {

using blockd::kqueue_emulation::deadline_immediate;
using blockd::kqueue_emulation::deadline_never;
using blockd::kqueue_emulation::doorbell_cookie;
using blockd::kqueue_emulation::EventQueue;
using blockd::kqueue_emulation::monotonic_now_ns;
using blockd::kqueue_emulation::Statistics;

constexpr int64_t nanoseconds_per_second = 1'000'000'000;

// A kernel object is global by nature: kevent() gets a number and nothing else. A process has a
// handful of queues, so this is a list. Lock order: the registry, then a queue.
constinit std::mutex registry_mutex;
constinit EventQueue* first_queue = nullptr;
constinit std::once_flag fork_handlers_once;

// Unlinks and returns the queue of this number; the registry's reference passes to the caller.
EventQueue* take_from_registry(int kq) {
    for (EventQueue** link = &first_queue; *link != nullptr; link = &(*link)->next_queue) {
        EventQueue* const queue = *link;
        if (kq >= 0 && queue->descriptor() == kq) {
            *link = queue->next_queue;
            return queue;
        }
    }
    return nullptr;
}

EventQueue* find_and_reference(int kq) {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    for (EventQueue* queue = first_queue; queue != nullptr; queue = queue->next_queue) {
        if (kq >= 0 && queue->descriptor() == kq) {
            queue->add_reference();
            return queue;
        }
    }
    return nullptr;
}

void add_to_registry(EventQueue* queue) {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    // A queue of this number was closed by close(2); the number is the new queue's now.
    EventQueue* const closed = take_from_registry(queue->descriptor());
    if (closed != nullptr) {
        closed->disown_epoll();
        closed->shut_down();
        closed->drop_reference();
    }
    queue->next_queue = first_queue;
    first_queue = queue;
}

// epoll would be shared with the child, which could then change what the parent watches. A kqueue
// is not inherited, so the child's copies of the numbers are closed. The queues stay in the list
// without a number: they may be half changed, or locked, by a thread that the child does not have.
void lock_before_fork() { registry_mutex.lock(); }
void unlock_in_parent() { registry_mutex.unlock(); }
void close_in_child() {
    for (EventQueue* queue = first_queue; queue != nullptr; queue = queue->next_queue) {
        queue->close_after_fork();
    }
    registry_mutex.unlock();
}

bool watch_doorbell(int epoll_fd, int doorbell_fd) {
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = doorbell_cookie;
    return ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, doorbell_fd, &event) == 0;
}

int fail(int error) {
    errno = error;
    return -1;
}

bool is_valid(const timespec& timeout) {
    return timeout.tv_sec >= 0 && timeout.tv_nsec >= 0 && timeout.tv_nsec < nanoseconds_per_second;
}

int64_t deadline_after(const timespec* timeout) {
    if (timeout == nullptr) {
        return deadline_never;
    }
    if (timeout->tv_sec == 0 && timeout->tv_nsec == 0) {
        return deadline_immediate;
    }
    const int64_t now_ns = monotonic_now_ns();
    const int64_t seconds_max = (deadline_never - now_ns) / nanoseconds_per_second - 1;
    if (timeout->tv_sec >= seconds_max) {
        return deadline_never;  // two centuries away
    }
    return now_ns + timeout->tv_sec * nanoseconds_per_second + timeout->tv_nsec;
}

}  // namespace

int kqueue() {
    std::call_once(fork_handlers_once, [] {
        (void)::pthread_atfork(lock_before_fork, unlock_in_parent, close_in_child);
    });
    const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        return -1;
    }
    const int doorbell_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    EventQueue* queue = nullptr;
    int error = errno;
    if (doorbell_fd >= 0) {
        if (watch_doorbell(epoll_fd, doorbell_fd)) {
            queue = new (std::nothrow) EventQueue(epoll_fd, doorbell_fd);
            error = ENOMEM;
        } else {
            error = errno;
        }
    }
    if (queue == nullptr) {
        if (doorbell_fd >= 0) {
            ::close(doorbell_fd);
        }
        ::close(epoll_fd);
        return fail(error);
    }
    add_to_registry(queue);
    return epoll_fd;
}

int kevent(int kq, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const struct timespec* timeout) {
    if (change_count < 0 || event_count < 0 || (timeout != nullptr && !is_valid(*timeout))) {
        return fail(EINVAL);
    }
    if ((changes == nullptr && change_count > 0) || (events == nullptr && event_count > 0)) {
        return fail(EFAULT);
    }
    EventQueue* const queue = find_and_reference(kq);
    if (queue == nullptr) {
        return fail(EBADF);
    }
    const int result =
        queue->process({changes, static_cast<size_t>(change_count)},
                       {events, static_cast<size_t>(event_count)}, deadline_after(timeout));
    queue->drop_reference();
    return result >= 0 ? result : fail(-result);
}

void kqueue_forget(int fd) {
    const int error = errno;
    const std::lock_guard<std::mutex> lock(registry_mutex);
    for (EventQueue* queue = first_queue; queue != nullptr; queue = queue->next_queue) {
        if (queue->descriptor() >= 0) {
            queue->forget(fd);
        }
    }
    errno = error;
}

int kqueue_close(int kq) {
    EventQueue* queue = nullptr;
    {
        const std::lock_guard<std::mutex> lock(registry_mutex);
        queue = take_from_registry(kq);
    }
    if (queue == nullptr) {
        return fail(EBADF);
    }
    queue->shut_down();
    queue->drop_reference();
    return 0;
}

int kqueue_statistics(int kq, Statistics* statistics) {
    EventQueue* const queue = find_and_reference(kq);
    if (queue == nullptr) {
        return fail(EBADF);
    }
    *statistics = queue->statistics();
    queue->drop_reference();
    return 0;
}

int kqueue_set_chaos(int kq, std::uint64_t seed) {
    EventQueue* const queue = find_and_reference(kq);
    if (queue == nullptr) {
        return fail(EBADF);
    }
    queue->set_chaos(seed);
    queue->drop_reference();
    return 0;
}
