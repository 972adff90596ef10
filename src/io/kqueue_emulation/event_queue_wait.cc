// The waiting half of EventQueue: asking epoll, and turning what it says into events.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include <blockd/assert.h>
#include "io/kqueue_emulation/event_queue.h"

namespace blockd::kqueue_emulation {
namespace {

constexpr int64_t nanoseconds_per_second = 1'000'000'000;
constexpr int64_t nanoseconds_per_millisecond = 1'000'000;

// Taken from epoll at a time; a caller with a larger array gets the rest in its next call.
constexpr size_t batch_size_max = 512;

// An error wakes both filters, and so does a full hang-up: the system call that follows tells.
constexpr uint32_t read_readiness = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr uint32_t write_readiness = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr uint32_t read_end = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr uint32_t write_end = EPOLLHUP | EPOLLERR;

uint32_t readiness_of(int16_t filter) {
    return filter == EVFILT_READ ? read_readiness : write_readiness;
}

bool has_passed(int64_t deadline_ns) {
    return deadline_ns == deadline_immediate ||
           (deadline_ns != deadline_never && monotonic_now_ns() >= deadline_ns);
}

int round_up_to_milliseconds(int64_t duration_ns) {
    const int64_t milliseconds = (duration_ns - 1) / nanoseconds_per_millisecond + 1;
    return static_cast<int>(std::min<int64_t>(milliseconds, INT_MAX));
}

}  // namespace

int64_t monotonic_now_ns() {
    timespec now = {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * nanoseconds_per_second + now.tv_nsec;
}

int EventQueue::wait(std::unique_lock<std::mutex>& lock, Output& output, int64_t deadline_ns) {
    if (chaos_.is_on()) {
        const int disturbance = disturb(output);
        if (disturbance != 0) {
            return disturbance;
        }
    }
    const size_t capacity = output.events.size();
    for (;;) {
        Output kernel_share{.events =
                                output.events.first(capacity - share_of_user_notes(capacity))};
        take_owed(kernel_share);
        int ready_count = 0;
        if (kernel_share.count == 0 && !kernel_share.is_full()) {
            ready_count = poll_epoll(lock, kernel_share, deadline_ns);
            if (ready_count < 0) {
                return ready_count;
            }
        }
        output.count = kernel_share.count;
        take_user_notes(output);
        if (output.count > 0 || (ready_count == 0 && has_passed(deadline_ns))) {
            // What did not fit must not be slept upon by another thread.
            ring_doorbell();
            return static_cast<int>(output.count);
        }
    }
}

// Interrupts the call, makes its array smaller, or reports a filter whose condition need not hold;
// 0 to go on.
int EventQueue::disturb(Output& output) {
    if (chaos_.one_in(8)) {
        return -EINTR;
    }
    output.events = output.events.first(1 + chaos_.below(output.events.size()));
    if (watches_.empty() || !chaos_.one_in(8)) {
        return 0;
    }
    const size_t start = chaos_.below(watches_.size());
    for (size_t offset = 0; offset < watches_.size(); ++offset) {
        const size_t index = (start + offset) % watches_.size();
        const bool is_read = watches_[index].read.is_wanted();
        if (is_read || watches_[index].write.is_wanted()) {
            report(static_cast<int>(index), is_read ? EVFILT_READ : EVFILT_WRITE, 0, output);
            return 1;
        }
    }
    return 0;
}

// Descriptors and user notes share the caller's array; where it has room for one event only, they
// take turns, so that neither starves the other.
size_t EventQueue::share_of_user_notes(size_t capacity) {
    const size_t share = std::min(user_notes_ready_, capacity);
    if (share < capacity) {
        return share;
    }
    user_notes_waited_ = !user_notes_waited_;
    return user_notes_waited_ ? share - 1 : share;
}

int EventQueue::poll_epoll(std::unique_lock<std::mutex>& lock, Output& output,
                           int64_t deadline_ns) {
    std::array<epoll_event, batch_size_max> batch;
    const std::span<epoll_event> room(batch.data(), std::min(output.events.size(), batch.size()));
    const int64_t wait_until_ns = user_notes_ready_ > 0 ? deadline_immediate : deadline_ns;
    ++statistics_.epoll_wait_calls;
    ++waiting_threads_;
    lock.unlock();
    const int ready_count = call_epoll_wait(room, wait_until_ns);
    const int error = errno;
    lock.lock();
    --waiting_threads_;
    is_doorbell_rung_ = false;
    if (is_shut_down_) {
        ring_doorbell();
        return -EBADF;
    }
    if (ready_count < 0) {
        return -error;
    }
    for (const epoll_event& ready : room.first(static_cast<size_t>(ready_count))) {
        take_ready(ready, output);
    }
    return ready_count;
}

int EventQueue::call_epoll_wait(std::span<epoll_event> ready, int64_t deadline_ns) {
    const int capacity = static_cast<int>(ready.size());
    if (deadline_ns == deadline_immediate) {
        return ::epoll_wait(epoll_fd_, ready.data(), capacity, 0);
    }
    if (deadline_ns == deadline_never) {
        return ::epoll_wait(epoll_fd_, ready.data(), capacity, -1);
    }
    const int64_t remaining_ns = std::max<int64_t>(deadline_ns - monotonic_now_ns(), 0);
    if (has_nanosecond_wait_.load(std::memory_order_relaxed)) {
        const timespec timeout = {.tv_sec = remaining_ns / nanoseconds_per_second,
                                  .tv_nsec = remaining_ns % nanoseconds_per_second};
        const long ready_count = ::syscall(SYS_epoll_pwait2, epoll_fd_, ready.data(), capacity,
                                           &timeout, nullptr, size_t{0});
        // Linux 5.10 does not know it, and some containers' seccomp filters refuse it.
        if (ready_count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return static_cast<int>(ready_count);
        }
        has_nanosecond_wait_.store(false, std::memory_order_relaxed);
    }
    return ::epoll_wait(epoll_fd_, ready.data(), capacity, round_up_to_milliseconds(remaining_ns));
}

void EventQueue::take_ready(const epoll_event& ready, Output& output) {
    if (ready.data.u64 == doorbell_cookie) {
        return;
    }
    const int fd = static_cast<int>(ready.data.u64 & UINT32_MAX);
    Watch& watch = watches_[static_cast<size_t>(fd)];
    if (watch.generation != ready.data.u64 >> 32) {
        return;
    }
    const bool is_edge_triggered = (watch.interest & EPOLLET) != 0;
    bool was_wanted = false;
    bool must_ask_again = false;
    const int16_t first = watch.write_goes_first ? EVFILT_WRITE : EVFILT_READ;
    const int16_t second = watch.write_goes_first ? EVFILT_READ : EVFILT_WRITE;
    for (const int16_t filter : {first, second}) {
        const Note& note = filter == EVFILT_READ ? watch.read : watch.write;
        if (!note.is_wanted() || (ready.events & readiness_of(filter)) == 0) {
            continue;
        }
        was_wanted = true;
        const bool is_edge = (note.flags & EV_CLEAR) != 0;
        if (!output.is_full()) {
            // The kernel will not repeat a level to an edge-triggered entry by itself.
            must_ask_again = must_ask_again || (is_edge_triggered && note.flags == 0);
            report(fd, filter, ready.events, output);
        } else if (is_edge) {
            owed_.push_back({.fd = fd,
                             .generation = watch.generation,
                             .ready = ready.events,
                             .filter = filter});
        } else {
            watch.write_goes_first = filter == EVFILT_WRITE;
            must_ask_again = must_ask_again || is_edge_triggered;
        }
    }
    if (!was_wanted || must_ask_again) {
        const int error = set_interest(fd, wanted_interest(watch));
        // Or else the descriptor was closed before kqueue_forget(), and epoll would report a file
        // that nothing can reach any more, for ever.
        ASSERT(error == 0);
    }
}

void EventQueue::report(int fd, int16_t filter, uint32_t ready, Output& output) {
    Watch& watch = watches_[static_cast<size_t>(fd)];
    Note& note = filter == EVFILT_READ ? watch.read : watch.write;
    const bool is_at_end = (ready & (filter == EVFILT_READ ? read_end : write_end)) != 0;
    const unsigned end_flag = is_at_end ? EV_EOF : 0;
    output.append({.ident = static_cast<uintptr_t>(fd),
                   .filter = filter,
                   .flags = static_cast<uint16_t>(note.flags | end_flag),
                   .udata = note.udata});
    if ((note.flags & EV_ONESHOT) != 0) {
        note = {};
    }
}

// Edges that found no room in an earlier call. The kernel has forgotten them.
void EventQueue::take_owed(Output& output) {
    size_t taken = 0;
    for (; taken < owed_.size() && !output.is_full(); ++taken) {
        const Owed owed = owed_[taken];
        const Watch& watch = watches_[static_cast<size_t>(owed.fd)];
        const Note& note = owed.filter == EVFILT_READ ? watch.read : watch.write;
        if (watch.generation == owed.generation && note.is_wanted()) {
            report(owed.fd, owed.filter, owed.ready, output);
        }
    }
    owed_.erase(owed_.begin(), owed_.begin() + static_cast<ptrdiff_t>(taken));
}

// Every ready note once, from where the last call stopped.
void EventQueue::take_user_notes(Output& output) {
    for (size_t left = user_notes_ready_; left > 0 && !output.is_full(); ++user_cursor_) {
        if (user_cursor_ >= user_notes_.size()) {
            user_cursor_ = 0;
        }
        UserNote& note = user_notes_[user_cursor_];
        if (!note.is_ready()) {
            continue;
        }
        --left;
        output.append({.ident = note.ident,
                       .filter = EVFILT_USER,
                       .flags = note.flags,
                       .fflags = note.fflags,
                       .data = note.data,
                       .udata = note.udata});
        if ((note.flags & EV_CLEAR) != 0) {
            note.is_triggered = false;
            --user_notes_ready_;
        } else if ((note.flags & EV_ONESHOT) != 0) {
            remove_user_note(user_cursor_);
            --user_cursor_;  // the next note has moved here; wraps below 0 and back
        }
    }
}

}  // namespace blockd::kqueue_emulation
