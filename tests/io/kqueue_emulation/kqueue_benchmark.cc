// What a round trip through kevent() costs beside epoll itself: one byte is sent over a socket
// pair, waited for and received, so the difference between two rows is the emulation's own.
#include <benchmark/benchmark.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <vector>

namespace {

constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;
constexpr timespec no_time = {.tv_sec = 0, .tv_nsec = 0};

struct Pair {
    Pair() {
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
            std::abort();
        }
    }

    void send() const {
        const char byte = 'x';
        if (::send(ends[1], &byte, 1, 0) != 1) {
            std::abort();
        }
    }
    void receive() const {
        char byte = 0;
        if (::recv(ends[0], &byte, 1, MSG_DONTWAIT) != 1) {
            std::abort();
        }
    }

    std::array<int, 2> ends = {};
};

struct kevent change_of(int fd, int flags) {
    struct kevent change = {};
    EV_SET(&change, fd, EVFILT_READ, flags, 0, 0, nullptr);
    return change;
}

void epoll_level_triggered(benchmark::State& state) {
    const Pair pair;
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, pair.ends[0], &event);
    for (auto _ : state) {
        pair.send();
        benchmark::DoNotOptimize(::epoll_wait(epoll, &event, 1, -1));
        pair.receive();
    }
}
BENCHMARK(epoll_level_triggered);

// What a one-shot costs where the kernel does it.
void epoll_oneshot_rearmed(benchmark::State& state) {
    const Pair pair;
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLONESHOT;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, pair.ends[0], &event);
    for (auto _ : state) {
        pair.send();
        event.events = EPOLLIN | EPOLLONESHOT;
        ::epoll_ctl(epoll, EPOLL_CTL_MOD, pair.ends[0], &event);
        benchmark::DoNotOptimize(::epoll_wait(epoll, &event, 1, -1));
        pair.receive();
    }
}
BENCHMARK(epoll_oneshot_rearmed);

void kevent_level_triggered(benchmark::State& state) {
    const Pair pair;
    const int kq = ::kqueue();
    const struct kevent change = change_of(pair.ends[0], EV_ADD);
    struct kevent event = {};
    ::kevent(kq, &change, 1, nullptr, 0, nullptr);
    for (auto _ : state) {
        pair.send();
        benchmark::DoNotOptimize(::kevent(kq, nullptr, 0, &event, 1, nullptr));
        pair.receive();
    }
}
BENCHMARK(kevent_level_triggered);

void kevent_oneshot_rearmed(benchmark::State& state) {
    const Pair pair;
    const int kq = ::kqueue();
    const struct kevent change = change_of(pair.ends[0], arm);
    struct kevent event = {};
    for (auto _ : state) {
        pair.send();
        benchmark::DoNotOptimize(::kevent(kq, &change, 1, &event, 1, nullptr));
        pair.receive();
    }
}
BENCHMARK(kevent_oneshot_rearmed);

void kevent_with_timeout(benchmark::State& state) {
    const Pair pair;
    const int kq = ::kqueue();
    const struct kevent change = change_of(pair.ends[0], arm);
    const timespec timeout = {.tv_sec = 1, .tv_nsec = 1};
    struct kevent event = {};
    for (auto _ : state) {
        pair.send();
        benchmark::DoNotOptimize(::kevent(kq, &change, 1, &event, 1, &timeout));
        pair.receive();
    }
}
BENCHMARK(kevent_with_timeout);

// 64 ready descriptors a call; the time is for all of them.
void epoll_batch_of_64(benchmark::State& state) {
    const std::vector<Pair> pairs(64);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    std::array<epoll_event, 64> events = {};
    for (const Pair& pair : pairs) {
        events[0].events = EPOLLIN;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, pair.ends[0], events.data());
        pair.send();
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(::epoll_wait(epoll, events.data(), 64, 0));
    }
}
BENCHMARK(epoll_batch_of_64);

void kevent_batch_of_64_rearmed(benchmark::State& state) {
    const std::vector<Pair> pairs(64);
    const int kq = ::kqueue();
    std::vector<struct kevent> changes;
    std::array<struct kevent, 64> events = {};
    for (const Pair& pair : pairs) {
        changes.push_back(change_of(pair.ends[0], arm));
        pair.send();
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(::kevent(kq, changes.data(), 64, events.data(), 64, &no_time));
    }
}
BENCHMARK(kevent_batch_of_64_rearmed);

void epoll_poll_of_nothing(benchmark::State& state) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    for (auto _ : state) {
        benchmark::DoNotOptimize(::epoll_wait(epoll, &event, 1, 0));
    }
}
BENCHMARK(epoll_poll_of_nothing);

void kevent_poll_of_nothing(benchmark::State& state) {
    const int kq = ::kqueue();
    struct kevent event = {};
    for (auto _ : state) {
        benchmark::DoNotOptimize(::kevent(kq, nullptr, 0, &event, 1, &no_time));
    }
}
BENCHMARK(kevent_poll_of_nothing);

void kevent_user_trigger(benchmark::State& state) {
    const int kq = ::kqueue();
    struct kevent change = {};
    EV_SET(&change, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
    ::kevent(kq, &change, 1, nullptr, 0, nullptr);
    EV_SET(&change, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
    for (auto _ : state) {
        benchmark::DoNotOptimize(::kevent(kq, &change, 1, nullptr, 0, nullptr));
    }
}
BENCHMARK(kevent_user_trigger);

}  // namespace

BENCHMARK_MAIN();
