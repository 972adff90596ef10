// One emulated kqueue: the filters that a program registered, held in user space, and the epoll
// instance that watches for them. Any thread may call any method; one mutex guards the filters and
// is never held while waiting.
//
// The kernel is told as little as possible. A descriptor has one epoll entry, whose interest covers
// the union of its filters and may be wider: a one-shot filter that fired leaves it as it is, so
// arming the filter again costs no system call. Interest that nobody wants any more is withdrawn
// when it causes its first useless wake-up. EPOLLONESHOT would not do: it disables the whole entry,
// the other filter included.
//
// Entries are level-triggered, so what does not fit into the caller's array needs no list here: the
// kernel still has it, and drops it when the condition is gone. Only where a filter wants EV_CLEAR
// the entry is edge-triggered, and a repeated EPOLL_CTL_MOD asks for what is ready again.
//
// EVFILT_USER lives here alone. An eventfd wakes a waiting thread; it is edge-triggered and never
// read, so a trigger costs one write.
#pragma once

#include <kqueue_emulation/hooks.h>
#include <sys/epoll.h>
#include <sys/event.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "io/kqueue_emulation/chaos.h"

namespace blockd::kqueue_emulation {

using Event = struct kevent;

constexpr int64_t deadline_immediate = 0;
constexpr int64_t deadline_never = INT64_MAX;
constexpr uint64_t doorbell_cookie = UINT64_MAX;

// CLOCK_MONOTONIC.
[[nodiscard]] int64_t monotonic_now_ns();

class EventQueue {
  public:
    // Takes both descriptors over. The doorbell is an eventfd that the epoll watches under
    // doorbell_cookie, edge-triggered.
    EventQueue(int epoll_fd, int doorbell_fd);
    ~EventQueue();
    EventQueue(const EventQueue&) = delete;
    EventQueue& operator=(const EventQueue&) = delete;

    // kevent(2), with the errno as a negative result.
    [[nodiscard]] int process(std::span<const Event> changes, std::span<Event> events,
                              int64_t deadline_ns);
    void forget(int fd);
    [[nodiscard]] Statistics statistics() const;
    void set_chaos(uint64_t seed);

    // Every present and later process() ends with EBADF.
    void shut_down();
    // The epoll's number belongs to somebody else by now and must not be closed.
    void disown_epoll();
    // In the child of a fork: closes the descriptors and touches nothing else, since the mutex may
    // be held by a thread that does not exist here.
    void close_after_fork();

    [[nodiscard]] int descriptor() const { return epoll_fd_; }

    // The registry holds one reference, each call in progress another; the last one deletes.
    void add_reference() { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop_reference();

    // Links of the registry, guarded by its mutex.
    EventQueue* next_queue = nullptr;

  private:
    // One registered filter of a descriptor.
    struct Note {
        void* udata;
        uint16_t flags;
        bool is_live;
        bool is_enabled;

        [[nodiscard]] bool is_wanted() const { return is_live && is_enabled; }
    };
    struct Watch {
        Note read;
        Note write;

        // What epoll has; 0: it does not know this descriptor.
        uint32_t interest;
        // Counts the lives of this number, so that an event which was under way when the
        // descriptor was forgotten finds nobody.
        uint32_t generation;
        bool write_goes_first;
    };
    // An edge that did not fit into the caller's array.
    struct Owed {
        int fd;
        uint32_t generation;
        uint32_t ready;
        int16_t filter;
    };
    struct UserNote {
        uintptr_t ident;
        void* udata;
        intptr_t data;
        uint32_t fflags;
        uint16_t flags;
        bool is_enabled;
        bool is_triggered;

        [[nodiscard]] bool is_ready() const { return is_enabled && is_triggered; }
    };
    struct Output {
        std::span<Event> events;
        size_t count = 0;

        [[nodiscard]] bool is_full() const { return count == events.size(); }
        void append(const Event& event) { events[count++] = event; }
    };

    [[nodiscard]] int apply(const Event& change);
    [[nodiscard]] int apply_to_watch(const Event& change);
    [[nodiscard]] int detach(int fd, Note& note);
    [[nodiscard]] int cover_wanted_interest(int fd);
    [[nodiscard]] int set_interest(int fd, uint32_t interest);
    [[nodiscard]] int control_epoll(int operation, int fd, uint32_t interest);
    void drop_watch(int fd);

    [[nodiscard]] int apply_to_user(const Event& change);
    void touch_user_note(UserNote& note, const Event& change);
    void remove_user_note(size_t index);
    void ring_doorbell();

    [[nodiscard]] int wait(std::unique_lock<std::mutex>& lock, Output& output, int64_t deadline_ns);
    [[nodiscard]] int disturb(Output& output);
    [[nodiscard]] int poll_epoll(std::unique_lock<std::mutex>& lock, Output& output,
                                 int64_t deadline_ns);
    [[nodiscard]] int call_epoll_wait(std::span<epoll_event> ready, int64_t deadline_ns);
    void take_ready(const epoll_event& ready, Output& output);
    void report(int fd, int16_t filter, uint32_t ready, Output& output);
    void take_owed(Output& output);
    void take_user_notes(Output& output);
    [[nodiscard]] size_t share_of_user_notes(size_t capacity);

    static uint32_t wanted_interest(const Watch& watch);

    mutable std::mutex mutex_;
    int epoll_fd_;
    int doorbell_fd_;
    bool owns_epoll_ = true;
    bool is_shut_down_ = false;
    bool is_doorbell_rung_ = false;
    bool user_notes_waited_ = false;
    uint32_t waiting_threads_ = 0;
    std::vector<Watch> watches_;  // by descriptor
    std::vector<Owed> owed_;
    std::vector<UserNote> user_notes_;
    size_t user_notes_ready_ = 0;
    size_t user_cursor_ = 0;
    Statistics statistics_ = {};
    Chaos chaos_{0};
    std::atomic<bool> has_nanosecond_wait_ = true;
    std::atomic<uint32_t> references_ = 1;
};

}  // namespace blockd::kqueue_emulation
