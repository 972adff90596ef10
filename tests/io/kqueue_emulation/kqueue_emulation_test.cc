// What only the emulation promises: its hooks, its economy of system calls, and its limits.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <kqueue_emulation/hooks.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <thread>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {
namespace {

using kqueue_emulation::Statistics;

constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;

Statistics statistics_of(const Queue& queue) {
    Statistics statistics = {};
    EXPECT_EQ(::kqueue_statistics(queue.descriptor(), &statistics), 0);
    return statistics;
}

// Returns once a thread sleeps in the queue: from then on a trigger needs the doorbell.
void await_waiter(Queue& queue, uint64_t epoll_wait_calls_before) {
    const int64_t deadline_ns = now_ns() + 10'000'000'000;
    while (statistics_of(queue).epoll_wait_calls == epoll_wait_calls_before) {
        ASSERT_LT(now_ns(), deadline_ns);
        std::this_thread::yield();
    }
}

TEST(KqueueEmulation, ArmingTheSameFilterAgainCostsNoEpollControl) {
    Queue queue;
    SocketPair pair;
    ASSERT_TRUE(queue.poll({{pair.near(), EVFILT_READ, arm}}).empty());
    const Statistics before = statistics_of(queue);
    EXPECT_EQ(before.epoll_ctl_calls, 1U);
    for (int round = 0; round < 100; ++round) {
        pair.send_from_far("x");
        ASSERT_EQ(queue.poll({{pair.near(), EVFILT_READ, arm}}).size(), 1U);
        pair.drain_near();
        // Not armed for a while, as during disk IO: still free, since nothing arrives meanwhile.
        ASSERT_TRUE(queue.poll().empty());
    }
    const Statistics after = statistics_of(queue);
    EXPECT_EQ(after.epoll_ctl_calls, before.epoll_ctl_calls);
    EXPECT_EQ(after.epoll_wait_calls - before.epoll_wait_calls, 200U);
}

TEST(KqueueEmulation, UnwantedReadinessIsWithdrawnAtItsFirstWakeUp) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0);
    pair.close_far();  // a hang-up that epoll reports whatever the interest is
    ASSERT_EQ(queue.poll().size(), 1U);
    const Statistics before = statistics_of(queue);
    for (int round = 0; round < 100; ++round) {
        ASSERT_TRUE(queue.poll().empty());
    }
    const Statistics after = statistics_of(queue);
    EXPECT_EQ(after.epoll_ctl_calls - before.epoll_ctl_calls, 1U);
    EXPECT_EQ(after.epoll_wait_calls - before.epoll_wait_calls, 101U);
}

TEST(KqueueEmulation, TriggerRingsOnlyForASleeperAndOnce) {
    Queue queue;
    ASSERT_EQ(queue.apply({{1, EVFILT_USER, EV_ADD | EV_CLEAR}}), 0);
    for (int count = 0; count < 10; ++count) {
        ASSERT_EQ(queue.apply({{1, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
    }
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_EQ(statistics_of(queue).doorbell_writes, 0U);
    const uint64_t calls_before = statistics_of(queue).epoll_wait_calls;
    std::thread waiter([&] { EXPECT_EQ(queue.wait().size(), 1U); });
    await_waiter(queue, calls_before);
    EXPECT_EQ(queue.apply({{1, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
    waiter.join();
    EXPECT_EQ(statistics_of(queue).doorbell_writes, 1U);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueEmulation, RegularFileIsNotPermitted) {
    Queue queue;
    char name[] = "kqueue_emulation_XXXXXX";
    const int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    ASSERT_EQ(::unlink(name), 0);
    const std::vector<Event> events = queue.poll({{file, EVFILT_READ, arm}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_NE(events[0].flags & EV_ERROR, 0);
    EXPECT_EQ(events[0].data, EPERM);
    EXPECT_EQ(queue.apply({{file, EVFILT_WRITE, arm}}), EPERM);
    EXPECT_EQ(queue.error_of({file, EVFILT_READ, EV_DELETE}), ENOENT);
    close_watched(file);
}

TEST(KqueueEmulation, SocketErrorIsLeftForItsOwner) {
    Queue queue;
    Listener listener;
    listener.close();
    const int client = listener.start_connecting();
    const std::vector<Event> events = queue.wait({{client, EVFILT_WRITE, arm}});
    ASSERT_TRUE(contains(events, client, EVFILT_WRITE));
    EXPECT_NE(events[0].flags & EV_EOF, 0);
    int error = 0;
    socklen_t length = sizeof(error);
    ASSERT_EQ(::getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, ECONNREFUSED);
    close_watched(client);
}

TEST(KqueueEmulation, OtherFiltersAndFlagsAreInvalid) {
    Queue queue;
    SocketPair pair;
    for (const int filter : {EVFILT_AIO, EVFILT_VNODE, EVFILT_PROC, EVFILT_SIGNAL, EVFILT_TIMER}) {
        EXPECT_EQ(queue.error_of({pair.near(), filter, EV_ADD}), EINVAL);
    }
    for (const int flag : {0x0040, 0x0080, 0x0100, 0x1000}) {  // EV_RECEIPT, EV_DISPATCH, ...
        EXPECT_EQ(queue.error_of({pair.near(), EVFILT_READ, EV_ADD | flag}), EINVAL);
    }
}

TEST(KqueueEmulation, QueueIsClosedOnExec) {
    Queue queue;
    EXPECT_NE(::fcntl(queue.descriptor(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(KqueueEmulation, ForgettingWhatWasNeverWatchedIsFine) {
    Queue queue;
    ::kqueue_forget(-1);
    ::kqueue_forget(1'000'000);
    ::kqueue_forget(queue.descriptor());
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueEmulation, ForgettingReachesEveryQueue) {
    Queue first;
    Queue second;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(first.apply({{pair.near(), EVFILT_READ, EV_ADD}}), 0);
    ASSERT_EQ(second.apply({{pair.near(), EVFILT_WRITE, EV_ADD}}), 0);
    ::kqueue_forget(pair.near());
    EXPECT_TRUE(first.poll().empty());
    EXPECT_TRUE(second.poll().empty());
    EXPECT_EQ(first.error_of({pair.near(), EVFILT_READ, EV_DELETE}), ENOENT);
}

TEST(KqueueEmulation, EdgeThatIsOwedDiesWithItsDescriptor) {
    Queue queue;
    SocketPair old_pair;
    SocketPair full_pair;
    full_pair.fill_from_near();
    const int number = old_pair.near();
    old_pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{number, EVFILT_READ, EV_ADD | EV_CLEAR},
                           {number, EVFILT_WRITE, EV_ADD | EV_CLEAR}}),
              0);
    ASSERT_EQ(queue.poll({}, 1).size(), 1U);  // the other edge is owed
    old_pair.close_near();
    ASSERT_EQ(::dup2(full_pair.near(), number), number);
    EXPECT_TRUE(queue
                    .poll({{number, EVFILT_READ, EV_ADD | EV_CLEAR},
                           {number, EVFILT_WRITE, EV_ADD | EV_CLEAR}})
                    .empty());
    close_watched(number);
}

TEST(KqueueEmulation, DescriptorWithoutFiltersNeedsNoForgetting) {
    Queue queue;
    SocketPair old_pair;
    SocketPair new_pair;
    const int number = ::dup(old_pair.near());
    ASSERT_EQ(queue.apply({{number, EVFILT_READ, EV_ADD}, {number, EVFILT_READ, EV_DELETE}}), 0);
    ASSERT_EQ(::dup2(new_pair.near(), number), number);  // closes, tells nobody
    old_pair.send_from_far("x");
    EXPECT_TRUE(queue.poll({{number, EVFILT_READ, arm}}).empty());
    new_pair.send_from_far("x");
    EXPECT_EQ(queue.poll().size(), 1U);
    close_watched(number);
}

TEST(KqueueEmulation, ClosingTheQueueWakesItsWaiters) {
    const int kq = ::kqueue();
    std::vector<std::thread> waiters;
    for (int count = 0; count < 3; ++count) {
        waiters.emplace_back([kq] {
            Event event = {};
            EXPECT_EQ(::kevent(kq, nullptr, 0, &event, 1, nullptr), -1);
            EXPECT_EQ(errno, EBADF);
        });
    }
    EXPECT_EQ(::kqueue_close(kq), 0);
    for (std::thread& waiter : waiters) {
        waiter.join();
    }
    EXPECT_EQ(::kqueue_close(kq), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST(KqueueEmulation, QueueClosedByPlainCloseGivesItsNumberToTheNext) {
    const int first = ::kqueue();
    Event user = make_event({1, EVFILT_USER, EV_ADD, NOTE_TRIGGER});
    ASSERT_EQ(::kevent(first, &user, 1, nullptr, 0, nullptr), 0);
    ASSERT_EQ(::close(first), 0);
    const int second = ::kqueue();
    ASSERT_EQ(second, first);
    Event event = {};
    const timespec no_time = {};
    EXPECT_EQ(::kevent(second, nullptr, 0, &event, 1, &no_time), 0);
    EXPECT_EQ(::kqueue_close(second), 0);
    EXPECT_LT(::fcntl(second, F_GETFD), 0);
}

TEST(KqueueEmulation, TimeoutOfCenturiesWaitsForAnEvent) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0);
    std::thread sender([&] { pair.send_from_far("x"); });
    Event event = {};
    const timespec timeout = {.tv_sec = INT64_MAX, .tv_nsec = 999'999'999};
    EXPECT_EQ(::kevent(queue.descriptor(), nullptr, 0, &event, 1, &timeout), 1);
    sender.join();
}

TEST(KqueueEmulationDeathTest, ClosingWithoutForgettingIsCaughtBeforeItSpins) {
    // A forked child has no queue: the death happens in a process that starts afresh.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    Queue queue;
    SocketPair pair;
    const int number = ::dup(pair.near());
    pair.send_from_far("x");
    ASSERT_EQ(queue.poll({{number, EVFILT_READ, arm}}).size(), 1U);
    ::close(number);  // its dup keeps the registration alive
    EXPECT_DEATH((void)queue.poll(), "assertion failed");
    ASSERT_EQ(::dup2(pair.near(), number), number);
    close_watched(number);
}

TEST(KqueueEmulation, ChaosInterruptsAndDisturbsButLosesNothing) {
    const uint64_t seed = random_seed() | 1U;
    Queue queue;
    ASSERT_EQ(::kqueue_set_chaos(queue.descriptor(), seed), 0);
    std::array<SocketPair, 8> pairs;
    size_t interrupted_count = 0;
    size_t spurious_count = 0;
    for (int round = 0; round < 200; ++round) {
        size_t missing = pairs.size();
        for (SocketPair& pair : pairs) {
            pair.send_from_far("x");
            ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0);
        }
        while (missing > 0) {
            std::array<Event, 16> events = {};
            const int count = ::kevent(queue.descriptor(), nullptr, 0, events.data(), 16, nullptr);
            ASSERT_TRUE(count > 0 || errno == EINTR);
            interrupted_count += count < 0 ? 1U : 0U;
            for (int index = 0; index < count; ++index) {
                const int fd = static_cast<int>(events.at(static_cast<size_t>(index)).ident);
                char byte = 0;
                const bool is_received = ::recv(fd, &byte, 1, 0) == 1;
                missing -= is_received ? 1U : 0U;
                spurious_count += is_received ? 0U : 1U;
                ASSERT_EQ(queue.apply({{fd, EVFILT_READ, arm}}), 0);
            }
        }
    }
    EXPECT_GT(interrupted_count, 0U);
    EXPECT_GT(spurious_count, 0U);
    EXPECT_EQ(::kqueue_set_chaos(queue.descriptor(), 0), 0);
    EXPECT_TRUE(queue.poll().empty());
}

// As a container's seccomp profile does it.
bool refuse_nanosecond_wait(int error) {
    const std::array<sock_filter, 4> program = {
        sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))),
        sock_filter(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1)),
        sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error))),
        sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)),
    };
    const sock_fprog filter = {.len = program.size(),
                               .filter = const_cast<sock_filter*>(program.data())};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(KqueueEmulation, WithoutNanosecondWaitsTimeoutsAreRoundedUp) {
    for (const int error : {ENOSYS, EPERM}) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            const int kq = ::kqueue();
            bool is_good = refuse_nanosecond_wait(error);
            for (const long timeout_ns : {1L, 999'999L, 1'000'001L, 2'500'000L}) {
                Event event = {};
                const timespec timeout = {.tv_sec = 0, .tv_nsec = timeout_ns};
                const int64_t start_ns = now_ns();
                is_good = is_good && ::kevent(kq, nullptr, 0, &event, 1, &timeout) == 0;
                is_good = is_good && now_ns() - start_ns >= timeout_ns;
            }
            Statistics statistics = {};
            is_good = is_good && ::kqueue_statistics(kq, &statistics) == 0;
            // One wait each: rounding down would come back early and spin.
            ::_exit(is_good && statistics.epoll_wait_calls == 4 ? 0 : 1);
        }
        int status = -1;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0) << "errno " << error;
    }
}

}  // namespace
}  // namespace blockd::test
