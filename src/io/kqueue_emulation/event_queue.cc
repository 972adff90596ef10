#include "io/kqueue_emulation/event_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include <blockd/assert.h>

namespace blockd::kqueue_emulation {
namespace {

constexpr unsigned stored_flags = EV_ONESHOT | EV_CLEAR;
constexpr unsigned accepted_flags = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | stored_flags;
// A caller may hand back an array of events as changes, so what we returned is not refused.
constexpr unsigned returned_flags = EV_ERROR | EV_EOF;

constexpr uint32_t read_interest = EPOLLIN | EPOLLRDHUP;
constexpr uint32_t write_interest = EPOLLOUT;
constexpr uint32_t edge_triggered = EPOLLET;

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

uint32_t interest_of(bool is_wanted, uint16_t flags, uint32_t interest) {
    if (!is_wanted) {
        return 0;
    }
    return (flags & EV_CLEAR) != 0 ? interest | edge_triggered : interest;
}

// EV_ONESHOT makes EV_CLEAR meaningless, and costs less without it.
uint16_t flags_to_store(uint16_t flags) {
    const unsigned stored = flags & stored_flags;
    return static_cast<uint16_t>((stored & EV_ONESHOT) != 0 ? EV_ONESHOT : stored);
}

}  // namespace

EventQueue::EventQueue(int epoll_fd, int doorbell_fd)
    : epoll_fd_(epoll_fd), doorbell_fd_(doorbell_fd) {}

EventQueue::~EventQueue() {
    ASSERT(waiting_threads_ == 0);
    ::close(doorbell_fd_);
    if (owns_epoll_) {
        ::close(epoll_fd_);
    }
}

void EventQueue::drop_reference() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete this;
    }
}

int EventQueue::process(std::span<const Event> changes, std::span<Event> events,
                        int64_t deadline_ns) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (is_shut_down_) {
        return -EBADF;
    }
    Output output{.events = events};
    // The arrays may be one: an error entry takes the place of a change that was applied already.
    for (const Event& change : changes) {
        const int error = apply(change);
        if (error == 0) {
            continue;
        }
        if (output.is_full()) {
            return -error;
        }
        Event failure = change;
        failure.flags = static_cast<uint16_t>(change.flags | EV_ERROR);
        failure.data = error;
        output.append(failure);
    }
    if (output.count > 0 || events.empty()) {
        return static_cast<int>(output.count);
    }
    return wait(lock, output, deadline_ns);
}

int EventQueue::apply(const Event& change) {
    if ((change.flags & ~(accepted_flags | returned_flags)) != 0) {
        return EINVAL;
    }
    switch (change.filter) {
        case EVFILT_READ:
        case EVFILT_WRITE: return apply_to_watch(change);
        case EVFILT_USER: return apply_to_user(change);
        default: return EINVAL;
    }
}

int EventQueue::apply_to_watch(const Event& change) {
    if (change.ident > INT_MAX) {
        return EBADF;
    }
    const int fd = static_cast<int>(change.ident);
    if (change.ident >= watches_.size()) {
        // Before the table grows: a wrong number must not allocate gigabytes.
        if (!is_open(fd)) {
            return EBADF;
        }
        watches_.resize(std::max(size_t{change.ident} + 1, watches_.size() * 2));
    }
    Watch& watch = watches_[change.ident];
    Note& note = change.filter == EVFILT_READ ? watch.read : watch.write;
    if (!note.is_live && ((change.flags & EV_ADD) == 0 || (change.flags & EV_DELETE) != 0)) {
        return is_open(fd) ? ENOENT : EBADF;
    }
    if ((change.flags & EV_DELETE) != 0) {
        return detach(fd, note);
    }
    const Note before = note;
    if (!note.is_live) {
        note = {.flags = flags_to_store(change.flags), .is_live = true, .is_enabled = true};
    }
    note.udata = change.udata;
    if ((change.flags & EV_ENABLE) != 0) {
        note.is_enabled = true;
    }
    if ((change.flags & EV_DISABLE) != 0) {
        note.is_enabled = false;
    }
    const int error = cover_wanted_interest(fd);
    if (error == EBADF) {
        drop_watch(fd);
    } else if (error != 0) {
        note = before;
    }
    return error;
}

// Deleting the last filter withdraws the entry at once, so that a descriptor whose filters were all
// deleted may be closed without being forgotten.
int EventQueue::detach(int fd, Note& note) {
    note = {};
    const Watch& watch = watches_[static_cast<size_t>(fd)];
    if (watch.read.is_live || watch.write.is_live) {
        return cover_wanted_interest(fd);
    }
    (void)set_interest(fd, 0);
    return 0;
}

// The lazy half of the emulation: no system call while epoll already watches for all that is
// wanted. An edge-triggered entry is set again at every change, since a MOD is what makes the
// kernel look whether the condition holds already.
int EventQueue::cover_wanted_interest(int fd) {
    const Watch& watch = watches_[static_cast<size_t>(fd)];
    const uint32_t wanted = wanted_interest(watch);
    const bool is_covered = (wanted & ~watch.interest) == 0;
    if (is_covered && (watch.interest & edge_triggered) == 0) {
        // A filter that is added disabled asks nothing of epoll, which would have checked this.
        return watch.interest == 0 && !is_open(fd) ? EBADF : 0;
    }
    return set_interest(fd, wanted);
}

uint32_t EventQueue::wanted_interest(const Watch& watch) {
    const Note& read = watch.read;
    const Note& write = watch.write;
    return interest_of(read.is_wanted(), read.flags, read_interest) |
           interest_of(write.is_wanted(), write.flags, write_interest);
}

int EventQueue::set_interest(int fd, uint32_t interest) {
    Watch& watch = watches_[static_cast<size_t>(fd)];
    if (interest == 0) {
        const bool is_known = watch.interest != 0;
        watch.interest = 0;
        return is_known ? control_epoll(EPOLL_CTL_DEL, fd, 0) : 0;
    }
    const int operation = watch.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    int error = control_epoll(operation, fd, interest);
    // The number was closed and came back without kqueue_forget().
    if (operation == EPOLL_CTL_MOD && error == ENOENT) {
        error = control_epoll(EPOLL_CTL_ADD, fd, interest);
    } else if (operation == EPOLL_CTL_ADD && error == EEXIST) {
        error = control_epoll(EPOLL_CTL_MOD, fd, interest);
    }
    if (error == 0) {
        watch.interest = interest;
    }
    return error;
}

int EventQueue::control_epoll(int operation, int fd, uint32_t interest) {
    const uint64_t generation = watches_[static_cast<size_t>(fd)].generation;
    epoll_event event = {};
    event.events = interest;
    event.data.u64 = generation << 32 | static_cast<uint32_t>(fd);
    ++statistics_.epoll_ctl_calls;
    return ::epoll_ctl(epoll_fd_, operation, fd, &event) == 0 ? 0 : errno;
}

void EventQueue::drop_watch(int fd) {
    Watch& watch = watches_[static_cast<size_t>(fd)];
    watch = {.generation = watch.generation + 1};
}

void EventQueue::forget(int fd) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (fd < 0 || static_cast<size_t>(fd) >= watches_.size()) {
        return;
    }
    (void)set_interest(fd, 0);
    drop_watch(fd);
}

int EventQueue::apply_to_user(const Event& change) {
    size_t index = 0;
    while (index < user_notes_.size() && user_notes_[index].ident != change.ident) {
        ++index;
    }
    if (index == user_notes_.size()) {
        if ((change.flags & EV_ADD) == 0 || (change.flags & EV_DELETE) != 0) {
            return ENOENT;
        }
        user_notes_.push_back({.ident = change.ident,
                               .fflags = change.fflags & NOTE_FFLAGSMASK,
                               .flags = flags_to_store(change.flags),
                               .is_enabled = true});
    } else if ((change.flags & EV_DELETE) != 0) {
        remove_user_note(index);
        return 0;
    }
    touch_user_note(user_notes_[index], change);
    return 0;
}

void EventQueue::touch_user_note(UserNote& note, const Event& change) {
    const bool was_ready = note.is_ready();
    const uint32_t operand = change.fflags & NOTE_FFLAGSMASK;
    switch (change.fflags & NOTE_FFCTRLMASK) {
        case NOTE_FFAND: note.fflags &= operand; break;
        case NOTE_FFOR: note.fflags |= operand; break;
        case NOTE_FFCOPY: note.fflags = operand; break;
        default:  // NOTE_FFNOP
            break;
    }
    note.udata = change.udata;
    note.data = change.data;
    note.is_triggered = note.is_triggered || (change.fflags & NOTE_TRIGGER) != 0;
    if ((change.flags & EV_ENABLE) != 0) {
        note.is_enabled = true;
    }
    if ((change.flags & EV_DISABLE) != 0) {
        note.is_enabled = false;
    }
    if (!was_ready && note.is_ready()) {
        ++user_notes_ready_;
        ring_doorbell();
    } else if (was_ready && !note.is_ready()) {
        --user_notes_ready_;
    }
}

void EventQueue::remove_user_note(size_t index) {
    if (user_notes_[index].is_ready()) {
        --user_notes_ready_;
    }
    user_notes_.erase(user_notes_.begin() + static_cast<ptrdiff_t>(index));
}

// Costs nothing while nobody sleeps, or while the sleeper has been called already.
void EventQueue::ring_doorbell() {
    const bool is_needed = user_notes_ready_ > 0 || is_shut_down_;
    if (!is_needed || waiting_threads_ == 0 || is_doorbell_rung_) {
        return;
    }
    is_doorbell_rung_ = true;
    ++statistics_.doorbell_writes;
    const uint64_t one = 1;
    // The counter is never read: it would take 2^64 - 1 rings to block this.
    const ssize_t written = ::write(doorbell_fd_, &one, sizeof(one));
    ASSERT(written == sizeof(one));
}

Statistics EventQueue::statistics() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return statistics_;
}

void EventQueue::set_chaos(uint64_t seed) {
    const std::lock_guard<std::mutex> lock(mutex_);
    chaos_ = Chaos(seed);
}

void EventQueue::shut_down() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_shut_down_ = true;
    ring_doorbell();
}

void EventQueue::disown_epoll() {
    const std::lock_guard<std::mutex> lock(mutex_);
    owns_epoll_ = false;
}

void EventQueue::close_after_fork() {
    ::close(epoll_fd_);
    ::close(doorbell_fd_);
    epoll_fd_ = -1;
    doorbell_fd_ = -1;
}

}  // namespace blockd::kqueue_emulation
