// What the kqueue tests share: a queue, socket pairs, changes in one expression. The tests state
// what a kqueue does, so that a real one passes them too; what differs between the emulation and a
// BSD is behind close_watched() and close_queue(), one file for each.
#pragma once

#include <sys/event.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

namespace blockd::test {

using Event = struct kevent;

// close(2) of a descriptor that a queue may have watched.
void close_watched(int fd);
int close_queue(int kq);

struct Change {
    int64_t ident = 0;
    int filter = 0;
    int flags = 0;
    uint32_t fflags = 0;
    void* udata = nullptr;
};
[[nodiscard]] Event make_event(const Change& change);

class Queue {
  public:
    Queue();
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Applies changes and takes what is ready, at most `capacity` events, without waiting. Fails
    // the test if kevent() does.
    std::vector<Event> poll(const std::vector<Change>& changes = {}, size_t capacity = 16);
    // The same, but waits until there is something. Fails the test after ten seconds.
    std::vector<Event> wait(const std::vector<Change>& changes = {}, size_t capacity = 16);
    // Applies changes alone: 0, or the errno.
    int apply(const std::vector<Change>& changes);
    // One change in a call that has room to report the error: the errno found there, or 0.
    int error_of(const Change& change);

    [[nodiscard]] int descriptor() const { return descriptor_; }

  private:
    std::vector<Event> call(const std::vector<Change>& changes, size_t capacity,
                            const timespec& timeout);

    int descriptor_;
};

// Two connected stream sockets that do not block.
class SocketPair {
  public:
    SocketPair();
    ~SocketPair();
    SocketPair(const SocketPair&) = delete;
    SocketPair& operator=(const SocketPair&) = delete;

    [[nodiscard]] int near() const { return near_; }
    [[nodiscard]] int far() const { return far_; }
    void send_from_far(std::string_view bytes);
    // Everything that waits at the near end.
    void drain_near();
    void drain_far();
    // Until the near end is not writable any more.
    void fill_from_near();
    void close_near();
    void close_far();

  private:
    int near_ = -1;
    int far_ = -1;
};

// A TCP listener on a free loopback port.
class Listener {
  public:
    Listener();
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // A client socket whose connect() was started and does not block.
    [[nodiscard]] int start_connecting() const;
    // Waits for the connection.
    [[nodiscard]] int accept() const;
    [[nodiscard]] int descriptor() const { return descriptor_; }
    void close();

  private:
    int descriptor_ = -1;
    uint16_t port_ = 0;
};

void make_non_blocking(int fd);
[[nodiscard]] std::optional<Event> find(const std::vector<Event>& events, int64_t ident,
                                        int filter);
[[nodiscard]] bool contains(const std::vector<Event>& events, int64_t ident, int filter);
[[nodiscard]] int64_t now_ns();
[[nodiscard]] uint64_t random_seed();

}  // namespace blockd::test
