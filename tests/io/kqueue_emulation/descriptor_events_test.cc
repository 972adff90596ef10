// EVFILT_READ and EVFILT_WRITE: identity, conditions, one-shot, edges, and the end of a stream.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {
namespace {

constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;

TEST(KqueueDescriptor, DataThatIsThereAlreadyIsReportedAtOnce) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    const std::vector<Event> events = queue.poll({{pair.near(), EVFILT_READ, EV_ADD}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].ident, static_cast<uintptr_t>(pair.near()));
    EXPECT_EQ(events[0].filter, EVFILT_READ);
    EXPECT_EQ(events[0].flags & (EV_EOF | EV_ERROR), 0);
}

TEST(KqueueDescriptor, NothingIsReportedBeforeDataArrives) {
    Queue queue;
    SocketPair pair;
    EXPECT_TRUE(queue.poll({{pair.near(), EVFILT_READ, EV_ADD}}).empty());
    pair.send_from_far("x");
    EXPECT_EQ(queue.poll().size(), 1U);
}

TEST(KqueueDescriptor, ConditionThatIsGoneBeforeRetrievalIsNotReported) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}}), 0);
    pair.drain_near();
    EXPECT_TRUE(queue.poll().empty());
    pair.send_from_far("y");
    EXPECT_EQ(queue.poll().size(), 1U);
}

TEST(KqueueDescriptor, AddingAgainReplacesUdataAndMakesNoSecondEvent) {
    Queue queue;
    SocketPair pair;
    int first = 0;
    int second = 0;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm, 0, &first}}), 0);
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm, 0, &second}}), 0);
    pair.send_from_far("x");
    const std::vector<Event> events = queue.poll();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].udata, &second);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueDescriptor, ReadAndWriteOfOneDescriptorAreIndependent) {
    Queue queue;
    SocketPair pair;
    int reader = 0;
    int writer = 0;
    pair.send_from_far("x");
    const std::vector<Event> both = queue.poll({{pair.near(), EVFILT_READ, EV_ADD, 0, &reader},
                                                {pair.near(), EVFILT_WRITE, EV_ADD, 0, &writer}});
    ASSERT_EQ(both.size(), 2U);
    EXPECT_EQ(find(both, pair.near(), EVFILT_READ)->udata, &reader);
    EXPECT_EQ(find(both, pair.near(), EVFILT_WRITE)->udata, &writer);
    const std::vector<Event> one = queue.poll({{pair.near(), EVFILT_READ, EV_DELETE}});
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0].filter, EVFILT_WRITE);
}

TEST(KqueueDescriptor, LevelIsReportedUntilDrained) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_ADD}}), 0);
    pair.send_from_far("x");
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_EQ(queue.poll().size(), 1U);
    pair.drain_near();
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueDescriptor, OneShotIsReportedOnceAndThenDeleted) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    EXPECT_EQ(queue.poll({{pair.near(), EVFILT_READ, arm}}).size(), 1U);
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.error_of({pair.near(), EVFILT_READ, EV_DELETE}), ENOENT);
}

TEST(KqueueDescriptor, OneShotArmedAgainIsReportedAgain) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(queue.poll({{pair.near(), EVFILT_READ, arm}}).size(), 1U);
    }
    pair.drain_near();
    EXPECT_TRUE(queue.poll({{pair.near(), EVFILT_READ, arm}}).empty());
    pair.send_from_far("x");
    EXPECT_EQ(queue.poll().size(), 1U);
}

TEST(KqueueDescriptor, OneShotThatFiredLeavesTheOtherFilterArmed) {
    Queue queue;
    SocketPair pair;
    pair.fill_from_near();
    pair.send_from_far("x");
    const std::vector<Event> first =
        queue.poll({{pair.near(), EVFILT_READ, arm}, {pair.near(), EVFILT_WRITE, arm}});
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].filter, EVFILT_READ);
    pair.drain_far();
    const std::vector<Event> second = queue.wait();
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(second[0].filter, EVFILT_WRITE);
}

TEST(KqueueDescriptor, FullSocketIsWritableOnceThePeerHasDrainedIt) {
    Queue queue;
    SocketPair pair;
    pair.fill_from_near();
    EXPECT_TRUE(queue.poll({{pair.near(), EVFILT_WRITE, arm}}).empty());
    pair.drain_far();
    EXPECT_TRUE(contains(queue.wait(), pair.near(), EVFILT_WRITE));
}

TEST(KqueueDescriptor, DeletedIsSilent) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    EXPECT_TRUE(
        queue.poll({{pair.near(), EVFILT_READ, EV_ADD}, {pair.near(), EVFILT_READ, EV_DELETE}})
            .empty());
}

TEST(KqueueDescriptor, DisabledIsSilentUntilEnabled) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    EXPECT_TRUE(queue.poll({{pair.near(), EVFILT_READ, EV_ADD | EV_DISABLE}}).empty());
    EXPECT_EQ(queue.poll({{pair.near(), EVFILT_READ, EV_ENABLE}}).size(), 1U);
    EXPECT_TRUE(queue.poll({{pair.near(), EVFILT_READ, EV_DISABLE}}).empty());
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.poll({{pair.near(), EVFILT_READ, EV_ENABLE}}).size(), 1U);
}

TEST(KqueueDescriptor, ClearIsReportedOnceForEachArrival) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    EXPECT_EQ(queue.poll({{pair.near(), EVFILT_READ, EV_ADD | EV_CLEAR}}).size(), 1U);
    EXPECT_TRUE(queue.poll().empty());
    pair.send_from_far("y");
    EXPECT_EQ(queue.poll().size(), 1U);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueDescriptor, EdgesOfBothFiltersPassThroughAnArrayOfOne) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_ADD | EV_CLEAR},
                           {pair.near(), EVFILT_WRITE, EV_ADD | EV_CLEAR}}),
              0);
    std::set<int> filters;
    for (int round = 0; round < 2; ++round) {
        const std::vector<Event> events = queue.poll({}, 1);
        ASSERT_EQ(events.size(), 1U);
        filters.insert(events[0].filter);
    }
    EXPECT_EQ(filters.size(), 2U);
    EXPECT_TRUE(queue.poll({}, 1).empty());
}

TEST(KqueueDescriptor, LevelBesideAnEdgeStaysALevel) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_ADD | EV_CLEAR},
                           {pair.near(), EVFILT_WRITE, EV_ADD}}),
              0);
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(contains(queue.poll(), pair.near(), EVFILT_WRITE));
    }
    pair.send_from_far("x");
    EXPECT_TRUE(contains(queue.poll(), pair.near(), EVFILT_READ));
    EXPECT_TRUE(contains(
        queue.poll({{pair.near(), EVFILT_WRITE, EV_DELETE}, {pair.near(), EVFILT_WRITE, EV_ADD}}),
        pair.near(), EVFILT_WRITE));
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_DELETE}}), 0);
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(queue.poll().size(), 1U);
    }
}

TEST(KqueueDescriptor, OneShotBesideAnEdgeSeesWhatIsThereAlready) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_WRITE, EV_ADD | EV_CLEAR}}), 0);
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(
            contains(queue.poll({{pair.near(), EVFILT_READ, arm}}), pair.near(), EVFILT_READ));
    }
}

TEST(KqueueDescriptor, MoreReadyThanAskedForStaysQueued) {
    Queue queue;
    std::array<SocketPair, 10> pairs;
    for (SocketPair& pair : pairs) {
        pair.send_from_far("x");
        ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, arm}, {pair.near(), EVFILT_WRITE, arm}}),
                  0);
    }
    std::set<std::pair<uintptr_t, int>> seen;
    std::vector<Event> events = queue.poll({}, 3);
    while (!events.empty()) {
        EXPECT_LE(events.size(), 3U);
        for (const Event& event : events) {
            EXPECT_TRUE(seen.insert({event.ident, event.filter}).second);
        }
        events = queue.poll({}, 3);
    }
    EXPECT_EQ(seen.size(), 20U);
}

TEST(KqueueDescriptor, NeitherFilterStarvesTheOtherInAnArrayOfOne) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("x");
    ASSERT_EQ(
        queue.apply({{pair.near(), EVFILT_READ, EV_ADD}, {pair.near(), EVFILT_WRITE, EV_ADD}}), 0);
    std::set<int> filters;
    for (int round = 0; round < 4; ++round) {
        for (const Event& event : queue.poll({}, 1)) {
            filters.insert(event.filter);
        }
    }
    EXPECT_EQ(filters.size(), 2U);
}

TEST(KqueueDescriptor, EndOfStreamIsReadableWithItsDataStillThere) {
    Queue queue;
    SocketPair pair;
    pair.send_from_far("last words");
    pair.close_far();
    const std::vector<Event> events = queue.poll({{pair.near(), EVFILT_READ, arm}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_NE(events[0].flags & EV_EOF, 0);
    EXPECT_EQ(events[0].flags & EV_ERROR, 0);
    std::array<char, 64> buffer;
    EXPECT_EQ(::recv(pair.near(), buffer.data(), buffer.size(), 0), 10);
    EXPECT_EQ(::recv(pair.near(), buffer.data(), buffer.size(), 0), 0);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueDescriptor, HalfCloseEndsReadingAndNotWriting) {
    Queue queue;
    SocketPair pair;
    ASSERT_EQ(::shutdown(pair.far(), SHUT_WR), 0);
    const std::vector<Event> events =
        queue.poll({{pair.near(), EVFILT_READ, EV_ADD}, {pair.near(), EVFILT_WRITE, EV_ADD}});
    ASSERT_EQ(events.size(), 2U);
    EXPECT_NE(find(events, pair.near(), EVFILT_READ)->flags & EV_EOF, 0);
    EXPECT_EQ(find(events, pair.near(), EVFILT_WRITE)->flags & EV_EOF, 0);
}

TEST(KqueueDescriptor, BothFiltersHearOfAPeerThatIsGone) {
    Queue queue;
    SocketPair pair;
    pair.fill_from_near();
    ASSERT_TRUE(
        queue.poll({{pair.near(), EVFILT_READ, arm}, {pair.near(), EVFILT_WRITE, arm}}).empty());
    pair.close_far();
    const std::vector<Event> events = queue.poll();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_NE(find(events, pair.near(), EVFILT_READ)->flags & EV_EOF, 0);
    EXPECT_NE(find(events, pair.near(), EVFILT_WRITE)->flags & EV_EOF, 0);
    EXPECT_TRUE(queue.poll().empty());
}

TEST(KqueueDescriptor, PipesReportTheirOtherEndsClose) {
    Queue queue;
    std::array<int, 2> pipe_of_reader = {};
    std::array<int, 2> pipe_of_writer = {};
    ASSERT_EQ(::pipe(pipe_of_reader.data()), 0);
    ASSERT_EQ(::pipe(pipe_of_writer.data()), 0);
    ASSERT_EQ(queue.apply({{pipe_of_reader[0], EVFILT_READ, arm}}), 0);
    close_watched(pipe_of_reader[1]);
    const std::vector<Event> of_reader = queue.wait();
    ASSERT_TRUE(contains(of_reader, pipe_of_reader[0], EVFILT_READ));
    EXPECT_NE(of_reader[0].flags & EV_EOF, 0);
    close_watched(pipe_of_writer[0]);
    const std::vector<Event> of_writer = queue.wait({{pipe_of_writer[1], EVFILT_WRITE, arm}});
    ASSERT_TRUE(contains(of_writer, pipe_of_writer[1], EVFILT_WRITE));
    EXPECT_NE(of_writer[0].flags & EV_EOF, 0);
    close_watched(pipe_of_reader[0]);
    close_watched(pipe_of_writer[1]);
}

TEST(KqueueDescriptor, ListenerIsReadableWhenAConnectionWaits) {
    Queue queue;
    Listener listener;
    EXPECT_TRUE(queue.poll({{listener.descriptor(), EVFILT_READ, EV_ADD}}).empty());
    const int client = listener.start_connecting();
    EXPECT_TRUE(contains(queue.wait(), listener.descriptor(), EVFILT_READ));
    close_watched(listener.accept());
    EXPECT_TRUE(queue.poll().empty());
    close_watched(client);
}

TEST(KqueueDescriptor, ConnectingSocketIsWritableOnceConnected) {
    Queue queue;
    Listener listener;
    const int client = listener.start_connecting();
    const std::vector<Event> events = queue.wait({{client, EVFILT_WRITE, arm}});
    ASSERT_TRUE(contains(events, client, EVFILT_WRITE));
    EXPECT_EQ(events[0].flags & EV_EOF, 0);
    close_watched(client);
}

TEST(KqueueDescriptor, RefusedConnectIsWritableAndTheErrorComesFromTheSend) {
    Queue queue;
    Listener listener;
    listener.close();
    const int client = listener.start_connecting();
    ASSERT_TRUE(contains(queue.wait({{client, EVFILT_WRITE, arm}}), client, EVFILT_WRITE));
    const char byte = 0;
    EXPECT_EQ(::send(client, &byte, 1, MSG_NOSIGNAL), -1);
    EXPECT_NE(errno, EAGAIN);
    close_watched(client);
}

TEST(KqueueDescriptor, ResetIsReadableAndTheErrorComesFromTheReceive) {
    Queue queue;
    Listener listener;
    const int client = listener.start_connecting();
    const int server = listener.accept();
    ASSERT_TRUE(queue.poll({{server, EVFILT_READ, arm}}).empty());
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close_watched(client);
    const std::vector<Event> events = queue.wait();
    ASSERT_TRUE(contains(events, server, EVFILT_READ));
    EXPECT_NE(events[0].flags & EV_EOF, 0);
    char byte = 0;
    EXPECT_EQ(::recv(server, &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_TRUE(queue.poll().empty());
    close_watched(server);
}

TEST(KqueueDescriptor, CloseRemovesItsFiltersSilently) {
    Queue queue;
    SocketPair pair;
    const int number = pair.near();
    pair.send_from_far("x");
    ASSERT_EQ(queue.apply({{number, EVFILT_READ, EV_ADD}, {number, EVFILT_WRITE, EV_ADD}}), 0);
    pair.close_near();
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_NE(queue.error_of({number, EVFILT_READ, EV_DELETE}), 0);
}

TEST(KqueueDescriptor, CloseIsSilentEvenWhileADupKeepsTheFileOpen) {
    Queue queue;
    SocketPair pair;
    const int duplicate = ::dup(pair.near());
    ASSERT_EQ(queue.apply({{pair.near(), EVFILT_READ, EV_ADD}}), 0);
    pair.close_near();
    pair.send_from_far("x");
    EXPECT_TRUE(queue.poll().empty());
    EXPECT_EQ(queue.poll({{duplicate, EVFILT_READ, arm}}).size(), 1U);
    close_watched(duplicate);
}

TEST(KqueueDescriptor, NumberUsedAgainIsTheNewFile) {
    Queue queue;
    SocketPair old_pair;
    SocketPair new_pair;
    const int number = old_pair.near();
    const int duplicate = ::dup(number);
    ASSERT_EQ(queue.apply({{number, EVFILT_READ, arm}}), 0);
    old_pair.send_from_far("x");
    ASSERT_EQ(queue.poll().size(), 1U);
    old_pair.close_near();
    ASSERT_EQ(::dup2(new_pair.near(), number), number);
    EXPECT_TRUE(queue.poll({{number, EVFILT_READ, arm}}).empty());
    new_pair.send_from_far("y");
    EXPECT_TRUE(contains(queue.poll(), number, EVFILT_READ));
    close_watched(number);
    close_watched(duplicate);
}

}  // namespace
}  // namespace blockd::test
