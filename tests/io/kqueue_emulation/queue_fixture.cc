#include "io/kqueue_emulation/queue_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <random>

namespace blockd::test {
namespace {

constexpr timespec no_time = {.tv_sec = 0, .tv_nsec = 0};
constexpr timespec patience = {.tv_sec = 10, .tv_nsec = 0};

std::vector<Event> make_events(const std::vector<Change>& changes) {
    std::vector<Event> events;
    for (const Change& change : changes) {
        events.push_back(make_event(change));
    }
    return events;
}

void drain(int fd) {
    std::array<char, 65536> buffer;
    while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
    }
}

sockaddr_in loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

Event make_event(const Change& change) {
    Event event = {};
    EV_SET(&event, change.ident, change.filter, change.flags, change.fflags, 0, change.udata);
    return event;
}

Queue::Queue() : descriptor_(::kqueue()) { EXPECT_GE(descriptor_, 0); }

Queue::~Queue() { EXPECT_EQ(close_queue(descriptor_), 0); }

std::vector<Event> Queue::poll(const std::vector<Change>& changes, size_t capacity) {
    return call(changes, capacity, no_time);
}

std::vector<Event> Queue::wait(const std::vector<Change>& changes, size_t capacity) {
    std::vector<Event> events = call(changes, capacity, patience);
    EXPECT_FALSE(events.empty()) << "nothing happened in ten seconds";
    return events;
}

int Queue::apply(const std::vector<Change>& changes) {
    const std::vector<Event> input = make_events(changes);
    const int count =
        ::kevent(descriptor_, input.data(), static_cast<int>(input.size()), nullptr, 0, nullptr);
    return count == 0 ? 0 : errno;
}

int Queue::error_of(const Change& change) {
    const Event input = make_event(change);
    Event output = {};
    const int count = ::kevent(descriptor_, &input, 1, &output, 1, &no_time);
    EXPECT_GE(count, 0);
    const bool is_error = count == 1 && (output.flags & EV_ERROR) != 0;
    return is_error ? static_cast<int>(output.data) : 0;
}

std::vector<Event> Queue::call(const std::vector<Change>& changes, size_t capacity,
                               const timespec& timeout) {
    const std::vector<Event> input = make_events(changes);
    std::vector<Event> output(capacity);
    const int count = ::kevent(descriptor_, input.data(), static_cast<int>(input.size()),
                               output.data(), static_cast<int>(capacity), &timeout);
    EXPECT_GE(count, 0) << "errno " << errno;
    output.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return output;
}

SocketPair::SocketPair() {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    near_ = ends[0];
    far_ = ends[1];
    make_non_blocking(near_);
    make_non_blocking(far_);
}

SocketPair::~SocketPair() {
    close_near();
    close_far();
}

void SocketPair::send_from_far(std::string_view bytes) {
    EXPECT_EQ(::send(far_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

void SocketPair::drain_near() { drain(near_); }

void SocketPair::drain_far() { drain(far_); }

void SocketPair::fill_from_near() {
    const std::array<char, 4096> bytes = {};
    while (::send(near_, bytes.data(), bytes.size(), 0) > 0) {
    }
    while (::send(near_, bytes.data(), 1, 0) > 0) {
    }
    EXPECT_TRUE(errno == EAGAIN || errno == ENOBUFS);
}

void SocketPair::close_near() {
    if (near_ >= 0) {
        close_watched(near_);
        near_ = -1;
    }
}

void SocketPair::close_far() {
    if (far_ >= 0) {
        close_watched(far_);
        far_ = -1;
    }
}

Listener::Listener() : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(descriptor_, 16), 0);
    EXPECT_EQ(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
}

Listener::~Listener() { close(); }

int Listener::start_connecting() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    make_non_blocking(fd);
    const sockaddr_in address = loopback(port_);
    const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    EXPECT_TRUE(result == 0 || errno == EINPROGRESS || errno == ECONNREFUSED);
    return fd;
}

int Listener::accept() const {
    const int fd = ::accept(descriptor_, nullptr, nullptr);
    EXPECT_GE(fd, 0);
    make_non_blocking(fd);
    return fd;
}

void Listener::close() {
    if (descriptor_ >= 0) {
        close_watched(descriptor_);
        descriptor_ = -1;
    }
}

void make_non_blocking(int fd) {
    EXPECT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

std::optional<Event> find(const std::vector<Event>& events, int64_t ident, int filter) {
    for (const Event& event : events) {
        if (event.ident == static_cast<uintptr_t>(ident) && event.filter == filter) {
            return event;
        }
    }
    return std::nullopt;
}

bool contains(const std::vector<Event>& events, int64_t ident, int filter) {
    return find(events, ident, filter).has_value();
}

int64_t now_ns() {
    timespec now = {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

uint64_t random_seed() {
    const uint64_t seed = std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

}  // namespace blockd::test
