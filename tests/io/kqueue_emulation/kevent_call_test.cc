// The call itself: its arrays, its errors, its timeout, signals, threads and fork.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {
namespace {

constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;
constexpr int bad_descriptor = 100'000;
constexpr timespec no_time = {.tv_sec = 0, .tv_nsec = 0};

TEST(KeventCall, RoomForNoEventReturnsAtOnce) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    const Event change = make_event({pair.near(), EVFILT_READ, EV_ADD});
    // A null timeout would wait for ever.
    EXPECT_EQ(::kevent(queue.descriptor(), &change, 1, nullptr, 0, nullptr), 0);
    EXPECT_EQ(queue.poll().size(), 1U);
}

TEST(KeventCall, OneArrayServesForChangesAndEvents) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    std::array<Event, 3> array = {
        make_event({bad_descriptor, EVFILT_READ, EV_ADD}),
        make_event({pair.near(), EVFILT_READ, arm}),
        make_event({bad_descriptor + 1, EVFILT_READ, EV_ADD}),
    };
    ASSERT_EQ(::kevent(queue.descriptor(), array.data(), 3, array.data(), 3, &no_time), 2);
    EXPECT_EQ(array[0].ident, static_cast<uintptr_t>(bad_descriptor));
    EXPECT_EQ(array[1].ident, static_cast<uintptr_t>(bad_descriptor + 1));
    EXPECT_TRUE(contains(queue.poll(), pair.near(), EVFILT_READ));
}

TEST(KeventCall, ReturnedEventsMayBeHandedBackAsChanges) {
    Queue queue;
    SocketPair pair;
    pair.close_far();
    std::array<Event, 1> array = {make_event({pair.near(), EVFILT_READ, arm})};
    ASSERT_EQ(::kevent(queue.descriptor(), array.data(), 1, array.data(), 1, &no_time), 1);
    ASSERT_NE(array[0].flags & EV_EOF, 0);
    array[0].flags = static_cast<uint16_t>(array[0].flags | EV_ADD);
    ASSERT_EQ(::kevent(queue.descriptor(), array.data(), 1, array.data(), 1, &no_time), 1);
    EXPECT_NE(array[0].flags & EV_EOF, 0);
    EXPECT_EQ(array[0].flags & EV_ERROR, 0);
}

TEST(KeventCall, FailedChangeIsAnEventWithItsErrno) {
    Queue queue;
    int owner = 0;
    const std::vector<Event> events =
        queue.poll({{bad_descriptor, EVFILT_READ, EV_ADD, 0, &owner}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_NE(events[0].flags & EV_ERROR, 0);
    EXPECT_EQ(events[0].data, EBADF);
    EXPECT_EQ(events[0].ident, static_cast<uintptr_t>(bad_descriptor));
    EXPECT_EQ(events[0].filter, EVFILT_READ);
    EXPECT_EQ(events[0].udata, &owner);
}

TEST(KeventCall, EveryKindOfWrongChangeHasItsErrno) {
    Queue queue;
    SocketPair pair;
    EXPECT_EQ(queue.error_of({bad_descriptor, EVFILT_WRITE, arm}), EBADF);
    EXPECT_EQ(queue.error_of({bad_descriptor, EVFILT_WRITE, EV_ADD | EV_DISABLE}), EBADF);
    EXPECT_EQ(queue.error_of({INT32_MAX, EVFILT_READ, EV_ADD}), EBADF);
    EXPECT_EQ(queue.error_of({-1, EVFILT_READ, EV_ADD}), EBADF);
    EXPECT_EQ(queue.error_of({int64_t{1} << 40, EVFILT_READ, EV_ADD}), EBADF);
    EXPECT_EQ(queue.error_of({bad_descriptor, EVFILT_READ, EV_DELETE}), EBADF);
    EXPECT_EQ(queue.error_of({pair.near(), EVFILT_READ, EV_DELETE}), ENOENT);
    EXPECT_EQ(queue.error_of({pair.near(), EVFILT_READ, EV_ENABLE}), ENOENT);
    EXPECT_EQ(queue.error_of({pair.near(), EVFILT_READ, EV_DISABLE}), ENOENT);
    EXPECT_EQ(queue.error_of({pair.near(), 0, EV_ADD}), EINVAL);
    EXPECT_EQ(queue.error_of({pair.near(), 99, EV_ADD}), EINVAL);
    EXPECT_EQ(queue.error_of({pair.near(), -99, EV_ADD}), EINVAL);
}

TEST(KeventCall, ErrorsComeAloneWithoutWaitingAndTheOtherChangesHold) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    const std::array<Event, 3> changes = {
        make_event({pair.near(), EVFILT_READ, arm}),
        make_event({bad_descriptor, EVFILT_READ, EV_ADD}),
        make_event({pair.near(), EVFILT_WRITE, arm}),
    };
    std::array<Event, 8> events = {};
    // A null timeout: only the error keeps this from waiting.
    ASSERT_EQ(::kevent(queue.descriptor(), changes.data(), 3, events.data(), 8, nullptr), 1);
    EXPECT_NE(events[0].flags & EV_ERROR, 0);
    const std::vector<Event> ready = queue.poll();
    EXPECT_EQ(ready.size(), 2U);
    EXPECT_TRUE(contains(ready, pair.near(), EVFILT_READ));
    EXPECT_TRUE(contains(ready, pair.near(), EVFILT_WRITE));
}

TEST(KeventCall, ErrorWithoutRoomFailsTheCallAndSkipsTheRest) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    EXPECT_EQ(queue.apply({{pair.near(), EVFILT_WRITE, arm},
                           {bad_descriptor, EVFILT_READ, EV_ADD},
                           {pair.near(), EVFILT_READ, arm}}),
              EBADF);
    const std::vector<Event> events = queue.poll();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].filter, EVFILT_WRITE);
}

TEST(KeventCall, MoreErrorsThanRoomFailTheCall) {
    Queue queue;
    const std::array<Event, 2> changes = {
        make_event({bad_descriptor, EVFILT_READ, EV_ADD}),
        make_event({1, EVFILT_USER, 0, NOTE_TRIGGER}),
    };
    Event event = {};
    EXPECT_EQ(::kevent(queue.descriptor(), changes.data(), 2, &event, 1, &no_time), -1);
    EXPECT_EQ(errno, ENOENT);
}

TEST(KeventCall, WrongQueueIsABadDescriptor) {
    SocketPair pair;
    int closed = -1;
    {
        Queue queue;
        closed = queue.descriptor();
    }
    Event event = {};
    for (const int kq : {-1, bad_descriptor, closed, pair.near()}) {
        EXPECT_EQ(::kevent(kq, nullptr, 0, &event, 1, &no_time), -1);
        EXPECT_EQ(errno, EBADF) << kq;
    }
}

TEST(KeventCall, WrongTimeoutIsInvalid) {
    Queue queue;
    Event event = {};
    for (const timespec& timeout :
         {timespec{.tv_sec = 0, .tv_nsec = 1'000'000'000}, timespec{.tv_sec = 0, .tv_nsec = -1},
          timespec{.tv_sec = -1, .tv_nsec = 0}}) {
        EXPECT_EQ(::kevent(queue.descriptor(), nullptr, 0, &event, 1, &timeout), -1);
        EXPECT_EQ(errno, EINVAL);
    }
}

TEST(KeventCall, TimeoutIsNeverEarly) {
    Queue queue;
    Event event = {};
    for (const long timeout_ns :
         {1L, 999L, 50'000L, 999'999L, 1'000'001L, 2'500'000L, 20'000'000L}) {
        const timespec timeout = {.tv_sec = 0, .tv_nsec = timeout_ns};
        const int64_t start_ns = now_ns();
        EXPECT_EQ(::kevent(queue.descriptor(), nullptr, 0, &event, 1, &timeout), 0);
        EXPECT_GE(now_ns() - start_ns, timeout_ns);
    }
}

TEST(KeventCall, DataFromOutsideEndsAWait) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0);
    std::thread sender([&] { pair.send_from_far("x"); });
    EXPECT_TRUE(contains(queue.wait(), pair.near(), EVFILT_READ));
    sender.join();
}

TEST(KeventCall, ChangeFromAnotherThreadReachesTheWaiter) {
    Queue queue;
    for (int round = 0; round < 50; ++round) {
        SocketPair pair;
        pair.send_from_far("x");
        std::thread changer([&] { EXPECT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0); });
        EXPECT_TRUE(contains(queue.wait(), pair.near(), EVFILT_READ));
        changer.join();
    }
}

TEST(KeventCall, FilterThatFiredAndIsArmedByAnotherThreadReachesTheWaiter) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.poll({{pair.near(), EVFILT_READ, arm}}).size(), 1U);
    for (int round = 0; round < 50; ++round) {
        std::thread changer([&] { EXPECT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0); });
        EXPECT_TRUE(contains(queue.wait(), pair.near(), EVFILT_READ));
        changer.join();
    }
}

TEST(KeventCall, SignalInterruptsTheWaitAndTheChangesHold) {
    struct sigaction action = {};
    struct sigaction previous = {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &previous), 0);
    Queue queue;
    SocketPair pair;
    std::atomic<bool> is_over = false;
    const pthread_t waiter = ::pthread_self();
    // Again and again: the first may come before the wait.
    std::thread sender([&] {
        while (!is_over.load()) {
            ::pthread_kill(waiter, SIGUSR1);
            std::this_thread::yield();
        }
    });
    const Event change = make_event({pair.near(), EVFILT_READ, arm});
    Event event = {};
    const int count = ::kevent(queue.descriptor(), &change, 1, &event, 1, nullptr);
    const int error = errno;
    is_over.store(true);
    sender.join();
    ASSERT_EQ(::sigaction(SIGUSR1, &previous, nullptr), 0);
    EXPECT_EQ(count, -1);
    EXPECT_EQ(error, EINTR);
    pair.send_from_far("x");
    EXPECT_TRUE(contains(queue.poll(), pair.near(), EVFILT_READ));
}

TEST(KeventCall, ChildDoesNotInheritTheQueue) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_ADD}}), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Event event = {};
        const int count = ::kevent(queue.descriptor(), nullptr, 0, &event, 1, &no_time);
        const bool is_refused = count == -1 && errno == EBADF;
        const int own = ::kqueue();
        ::_exit(is_refused && own >= 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(queue.poll().size(), 1U);
}

}  // namespace
}  // namespace blockd::test
