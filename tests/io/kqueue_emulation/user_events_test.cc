// EVFILT_USER: triggers, coalescing, udata, stored flags, and sharing a queue with descriptors.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <set>
#include <thread>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {
namespace {

constexpr int64_t doorbell = 7;

TEST(KqueueUser, IsSilentUntilTriggered) {
    Queue queue;
    EXPECT_TRUE(queue.poll({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR}}).empty());
    const std::vector<Event> events = queue.poll({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].ident, static_cast<uintptr_t>(doorbell));
    EXPECT_EQ(events[0].filter, EVFILT_USER);
}

TEST(KqueueUser, TriggersCoalesceAndClearResets) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR}}), 0);
    for (int count = 0; count < 5; ++count) {
        ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
    }
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.poll({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}).size(), 1U);
}

TEST(KqueueUser, WithoutClearStaysTriggered) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD}}), 0);
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_TRUE(queue.poll({{doorbell, EVFILT_USER, EV_DELETE}}).empty());
}

TEST(KqueueUser, OneShotIsDeletedAtRetrieval) {
    Queue queue;
    ASSERT_EQ(queue.apply({{1, EVFILT_USER, EV_ADD | EV_ONESHOT},
                           {2, EVFILT_USER, EV_ADD | EV_ONESHOT},
                           {3, EVFILT_USER, EV_ADD | EV_CLEAR}}),
              0);
    const std::vector<Event> events = queue.poll({{1, EVFILT_USER, 0, NOTE_TRIGGER},
                                                  {2, EVFILT_USER, 0, NOTE_TRIGGER},
                                                  {3, EVFILT_USER, 0, NOTE_TRIGGER}});
    EXPECT_EQ(events.size(), 3U);
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.error_of({1, EVFILT_USER, 0, NOTE_TRIGGER}), ENOENT);
    EXPECT_EQ(queue.error_of({2, EVFILT_USER, 0, NOTE_TRIGGER}), ENOENT);
    EXPECT_EQ(queue.poll({{3, EVFILT_USER, 0, NOTE_TRIGGER}}).size(), 1U);
}

TEST(KqueueUser, AddingAndTriggeringIsOneChange) {
    Queue queue;
    EXPECT_EQ(queue.poll({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER}}).size(), 1U);
}

TEST(KqueueUser, UnknownIdentIsNoEntry) {
    Queue queue;
    EXPECT_EQ(queue.error_of({doorbell, EVFILT_USER, 0, NOTE_TRIGGER}), ENOENT);
    EXPECT_EQ(queue.error_of({doorbell, EVFILT_USER, EV_DELETE}), ENOENT);
    EXPECT_EQ(queue.apply({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}), ENOENT);
}

TEST(KqueueUser, EveryTouchReplacesUdata) {
    Queue queue;
    int first = 0;
    int second = 0;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR, 0, &first}}), 0);
    const std::vector<Event> events =
        queue.poll({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER, &second}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].udata, &second);
}

TEST(KqueueUser, ControlBitsChangeTheStoredFlags) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR}}), 0);
    const auto flags_after = [&](uint32_t fflags) {
        const std::vector<Event> events =
            queue.poll({{doorbell, EVFILT_USER, 0, fflags | NOTE_TRIGGER}});
        return events.size() == 1 ? events[0].fflags & NOTE_FFLAGSMASK : UINT32_MAX;
    };
    EXPECT_EQ(flags_after(NOTE_FFCOPY | 0x0f), 0x0fU);
    EXPECT_EQ(flags_after(NOTE_FFNOP | 0xff), 0x0fU);
    EXPECT_EQ(flags_after(NOTE_FFOR | 0x30), 0x3fU);
    EXPECT_EQ(flags_after(NOTE_FFAND | 0x11), 0x11U);
}

TEST(KqueueUser, DisabledTriggerWaitsUntilEnabled) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR},
                           {doorbell, EVFILT_USER, EV_DISABLE},
                           {doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}),
              0);
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.poll({{doorbell, EVFILT_USER, EV_ENABLE}}).size(), 1U);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueUser, DeletingTakesThePendingTriggerAlong) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER},
                           {doorbell, EVFILT_USER, EV_DELETE},
                           {doorbell, EVFILT_USER, EV_ADD | EV_CLEAR}}),
              0);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueUser, MoreTriggeredThanAskedForStaysQueued) {
    Queue queue;
    for (int64_t ident = 0; ident < 10; ++ident) {
        ASSERT_EQ(queue.apply({{ident, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER}}), 0);
    }
    std::set<uintptr_t> seen;
    for (int round = 0; round < 10 && seen.size() < 10; ++round) {
        for (const Event& event : queue.poll({}, 3)) {
            EXPECT_TRUE(seen.insert(event.ident).second);
        }
    }
    EXPECT_EQ(seen.size(), 10U);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueUser, IdentIsNoDescriptor) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER},
                           {pair.near(), EVFILT_READ, EV_ADD}}),
              0);
    const std::vector<Event> events = queue.poll();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].filter, EVFILT_USER);
}

TEST(KqueueUser, NeitherUserNorDescriptorEventsStarveInAnArrayOfOne) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD, NOTE_TRIGGER},
                           {doorbell + 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER},
                           {pair.near(), EVFILT_READ, EV_ADD}}),
              0);
    std::set<std::pair<uintptr_t, int>> seen;
    for (int round = 0; round < 8; ++round) {
        const std::vector<Event> events = queue.poll({}, 1);
        ASSERT_EQ(events.size(), 1U);
        seen.insert({events[0].ident, events[0].filter});
    }
    EXPECT_EQ(seen.size(), 3U);
}

TEST(KqueueUser, TriggerFromAnotherThreadWakesTheWaiter) {
    Queue queue;
    ASSERT_EQ(queue.apply({{doorbell, EVFILT_USER, EV_ADD | EV_CLEAR}}), 0);
    for (int round = 0; round < 100; ++round) {
        std::thread trigger([&] {
            EXPECT_EQ(queue.apply({{doorbell, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
        });
        EXPECT_EQ(queue.wait().size(), 1U);
        trigger.join();
    }
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueUser, TriggerThatFindsNoRoomReachesAnotherWaiter) {
    for (int round = 0; round < 50; ++round) {
        Queue queue;
        ASSERT_EQ(
            queue.apply({{1, EVFILT_USER, EV_ADD | EV_CLEAR}, {2, EVFILT_USER, EV_ADD | EV_CLEAR}}),
            0);
        std::array<std::thread, 2> waiters;
        for (std::thread& waiter : waiters) {
            waiter = std::thread([&] { EXPECT_EQ(queue.wait({}, 1).size(), 1U); });
        }
        // Gives the waiters time to fall asleep in most rounds; the fact holds in every round.
        std::this_thread::yield();
        EXPECT_EQ(
            queue.apply({{1, EVFILT_USER, 0, NOTE_TRIGGER}, {2, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
        for (std::thread& waiter : waiters) {
            waiter.join();
        }
    }
}

}  // namespace
}  // namespace blockd::test
