// The loop's own part, on a backend that a test scripts: turns, budgets, sleeping, the clock.
#include <blockd/io/loop.h>

#include "io/loop_conformance.h"
#include "io/scripted_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <thread>

namespace blockd::io {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

class LoopOnScript : public testing::Test {
  protected:
    LoopOnScript()
        : owned_(std::make_unique<ScriptedBackend>()), backend(*owned_), loop(std::move(owned_)) {}

  private:
    std::unique_ptr<ScriptedBackend> owned_;

  protected:
    void finish() {
        while (backend.pending_count() > 0) {
            backend.complete_next(0);
            loop.tick();
        }
        loop.tick();
    }

    ScriptedBackend& backend;
    Loop loop;
};

// Submits itself again in each callback, until it is stopped.
class Chain {
  public:
    explicit Chain(Loop& loop) : loop_(loop) {}
    void start() { loop_.next_tick(completion_, bind<&Chain::ticked>(this)); }
    void stop() { is_stopped_ = true; }
    uint32_t tick_count() const { return tick_count_; }

  private:
    void ticked(Result<Ok>) {
        ++tick_count_;
        if (!is_stopped_) start();
    }

    Loop& loop_;
    Completion completion_;
    bool is_stopped_ = false;
    uint32_t tick_count_ = 0;
};

TEST_F(LoopOnScript, ATurnRunsABoundedNumberOfCallbacksAndPolls) {
    Chain chain(loop);
    chain.start();
    for (uint32_t turn = 1; turn <= 3; ++turn) {
        loop.tick();
        EXPECT_EQ(chain.tick_count(), turn * loop_callbacks_per_turn_max);
        EXPECT_EQ(backend.waits_ns.size(), turn);
    }
    EXPECT_EQ(loop.statistics().budgets_exhausted, 3u);
    chain.stop();
    loop.tick();
}

TEST_F(LoopOnScript, ALoopWithWorkReadyNeverSleeps) {
    Chain chain(loop);
    chain.start();
    backend.step_ns = 100;
    loop.run_for_ns(5'000);
    EXPECT_GT(backend.waits_ns.size(), 10u);
    EXPECT_THAT(backend.waits_ns, Each(0u));
    chain.stop();
    loop.tick();
}

TEST_F(LoopOnScript, AnIdleLoopSleepsUntilTheEndOfItsTime) {
    loop.run_for_ns(5'000);
    EXPECT_THAT(backend.waits_ns, ElementsAre(5'000));
}

TEST_F(LoopOnScript, AFlushSleepsOnceAndReturnsWithWhatWokeIt) {
    Chain chain(loop);
    chain.stop();
    chain.start();
    loop.flush(5'000'000'000);
    EXPECT_EQ(chain.tick_count(), 1u);
    EXPECT_EQ(loop.statistics().turns, 1u) << "whoever waits for the callback goes on at once";
}

TEST_F(LoopOnScript, ALoopSleepsUntilItsNextTimeoutAndFiresItInThatTurn) {
    Outcome<Ok> timeout;
    loop.timeout(timeout.completion, {.after_ns = 700}, timeout.callback());
    loop.run_for_ns(700);
    EXPECT_THAT(backend.waits_ns, ElementsAre(700));
    EXPECT_TRUE(timeout.has_value());
}

TEST_F(LoopOnScript, SleepsAreClampedToAnHour) {
    loop.run_for_ns(3 * loop_wait_ns_max);
    EXPECT_THAT(backend.waits_ns,
                ElementsAre(loop_wait_ns_max, loop_wait_ns_max, loop_wait_ns_max));
}

// Rule 7: once a turn, and once more after a sleep, however many timeouts there are.
TEST_F(LoopOnScript, TheClockIsReadOnceATurn) {
    std::deque<Outcome<Ok>> timeouts(100);
    for (Outcome<Ok>& timeout : timeouts) {
        loop.timeout(timeout.completion, {.after_ns = 1'000'000}, timeout.callback());
    }
    backend.clock_reading_count = 0;
    for (int turn = 0; turn < 10; ++turn) loop.tick();
    EXPECT_EQ(backend.clock_reading_count, 10u);
    backend.clock_reading_count = 0;
    loop.run_for_ns(1'000'000);
    EXPECT_EQ(backend.clock_reading_count, 3u) << "start, turn, and after the sleep";
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

// Its time runs from a reading that comes after the submission, here 40 ns later.
TEST_F(LoopOnScript, ATimeoutNeverFiresEarlyThoughTheClockIsOld) {
    loop.tick();
    backend.now += 40;
    const uint64_t submitted_ns = backend.now;
    Outcome<Ok> timeout;
    loop.timeout(timeout.completion, {.after_ns = 100}, timeout.callback());
    while (!timeout.is_done()) {
        loop.tick();
        if (!timeout.is_done()) backend.now += 10;
    }
    EXPECT_GE(backend.now - submitted_ns, 100u);
}

TEST_F(LoopOnScript, ATimeoutOfZeroArmedAgainWaitsForTheNextTurn) {
    struct Again {
        Loop& loop;
        Completion completion;
        int count = 0;
        void fired(Result<Ok>) {
            if (++count < 3) start();
        }
        void start() { loop.timeout(completion, {.after_ns = 0}, bind<&Again::fired>(this)); }
    };
    Again again{.loop = loop, .completion = {}};
    again.start();
    for (int turn = 1; turn <= 3; ++turn) {
        loop.tick();
        EXPECT_EQ(again.count, turn);
    }
}

// A callback every turn handed to the backend one by one would be a system call each.
TEST_F(LoopOnScript, WhatIsSubmittedTogetherReachesTheBackendInOneBatchInOrder) {
    Outcome<uint32_t> receiving, sending;
    Outcome<Ok> closing;
    const Buffer buffer(8);
    loop.send(sending.completion, {.socket = Fd{7}, .vectors = buffer.vectors()},
              sending.callback());
    loop.recv(receiving.completion, {.socket = Fd{7}, .vectors = buffer.vectors()},
              receiving.callback());
    loop.close(closing.completion, {.fd = Fd{8}}, closing.callback());
    EXPECT_EQ(backend.submit_count, 0u);
    loop.tick();
    EXPECT_EQ(backend.submit_count, 1u);
    EXPECT_THAT(backend.kinds,
                ElementsAre(OperationKind::send, OperationKind::recv, OperationKind::close));
    finish();
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

TEST_F(LoopOnScript, WhatCompletesAtOnceIsCalledBackInTheSameTurn) {
    backend.completes_at_once = true;
    Outcome<uint32_t> sending;
    const Buffer buffer(8);
    loop.send(sending.completion, {.socket = Fd{7}, .vectors = buffer.vectors()},
              sending.callback());
    loop.tick();
    EXPECT_TRUE(sending.is_done());
    EXPECT_EQ(backend.waits_ns.size(), 1u);
}

// An endless chain of sends that complete at once is bounded like one of ticks.
TEST_F(LoopOnScript, AChainOfOperationsThatCompleteAtOnceIsBoundedToo) {
    struct Sender {
        Loop& loop;
        bool is_stopped = false;
        uint32_t count = 0;
        Buffer buffer{8};
        Completion completion{};
        void start() {
            loop.send(completion, {.socket = Fd{7}, .vectors = buffer.vectors()},
                      bind<&Sender::sent>(this));
        }
        void sent(Result<uint32_t>) {
            ++count;
            if (!is_stopped) start();
        }
    };
    backend.completes_at_once = true;
    Sender sender{.loop = loop};
    sender.start();
    loop.tick();
    EXPECT_EQ(sender.count, loop_callbacks_per_turn_max);
    sender.is_stopped = true;
    loop.tick();
}

// A sync that joined a running one would not cover the writes that ended meanwhile.
TEST_F(LoopOnScript, OneSyncOfAFileRunsAtATimeAndFilesDoNotWaitForEachOther) {
    std::array<Outcome<Ok>, 3> syncs;
    Outcome<Ok> other_file;
    for (Outcome<Ok>& sync : syncs) loop.sync(sync.completion, {.file = Fd{5}}, sync.callback());
    loop.sync(other_file.completion, {.file = Fd{6}}, other_file.callback());
    loop.tick();
    EXPECT_EQ(backend.pending_count(), 2u) << "the first of each file";
    backend.complete_next(0);
    loop.tick();
    EXPECT_TRUE(syncs[0].is_done());
    EXPECT_FALSE(syncs[1].is_done());
    loop.tick();
    EXPECT_EQ(backend.pending_count(), 2u) << "the other file's, and the second";
    finish();
    finish();
    for (Outcome<Ok>& sync : syncs) EXPECT_EQ(sync.call_count(), 1u);
    EXPECT_EQ(other_file.call_count(), 1u);
}

TEST_F(LoopOnScript, AFailedSyncDoesNotHoldUpTheNext) {
    std::array<Outcome<Ok>, 2> syncs;
    for (Outcome<Ok>& sync : syncs) loop.sync(sync.completion, {.file = Fd{5}}, sync.callback());
    loop.tick();
    backend.complete_next(-EIO);
    loop.tick();
    finish();
    EXPECT_TRUE(syncs[0].is_error(ErrorCode::disk));
    EXPECT_TRUE(syncs[1].has_value());
}

TEST_F(LoopOnScript, ResultsBecomeValuesOrErrorsWithTheirErrno) {
    Outcome<Fd> accepting;
    Outcome<uint32_t> receiving;
    const Buffer buffer(8);
    loop.accept(accepting.completion, {.listener = Fd{5}}, accepting.callback());
    loop.recv(receiving.completion, {.socket = Fd{6}, .vectors = buffer.vectors()},
              receiving.callback());
    loop.tick();
    backend.complete_next(9);
    backend.complete_next(-ECONNRESET);
    loop.tick();
    EXPECT_EQ(accepting.value(), Fd{9});
    EXPECT_TRUE(receiving.is_error(ErrorCode::connection_reset));
    EXPECT_EQ(receiving.error().os_errno, ECONNRESET);
    EXPECT_STREQ(receiving.error().during, "receive");
}

TEST_F(LoopOnScript, OnlyTheFirstOfManyTriggersWakesTheBackend) {
    std::deque<Event> events(3);
    for (Event& event : events) loop.open_event(event);
    for (Event& event : events) loop.event_trigger(event);
    for (Event& event : events) loop.event_trigger(event);
    EXPECT_EQ(backend.wake_count, 1u);
    loop.tick();
    loop.event_trigger(events.front());
    EXPECT_EQ(backend.wake_count, 1u) << "nobody listened: it is triggered still";
    for (Event& event : events) loop.close_event(event);
}

// Rule 1: an accept that ended before the cancel came keeps its socket, which needs an owner.
TEST_F(LoopOnScript, ACancelThatComesAfterTheEndKeepsTheResult) {
    struct Canceller {
        Loop& loop;
        Completion& target;
        Completion completion;
        void ticked(Result<Ok>) {
            ASSERT_EQ(target.state, Completion::State::completed);
            loop.cancel(target);
        }
    };
    Outcome<Fd> accepting;
    Canceller canceller{.loop = loop, .target = accepting.completion, .completion = {}};
    loop.accept(accepting.completion, {.listener = Fd{5}}, accepting.callback());
    loop.tick();
    backend.complete_next(9);
    loop.next_tick(canceller.completion, bind<&Canceller::ticked>(&canceller));
    loop.tick();
    EXPECT_EQ(accepting.call_count(), 1u);
    ASSERT_TRUE(accepting.has_value()) << "the descriptor would be left without an owner";
    EXPECT_EQ(accepting.value(), Fd{9});
}

// The first of these was in the list when it was triggered again, which only the callback that is
// still to come can answer: it must see what was written before. ThreadSanitizer judges.
TEST_F(LoopOnScript, ATriggerThatCoalescesHappensBeforeTheCallback) {
    struct Reader {
        int& payload;
        Completion completion;
        int seen = 0;
        void heard(Result<Ok>) { seen = payload; }
    };
    int payload = 0;
    Reader reader{.payload = payload, .completion = {}};
    Event event;
    loop.open_event(event);
    loop.event_listen(event, reader.completion, bind<&Reader::heard>(&reader));
    loop.event_trigger(event);
    std::atomic<bool> is_triggered_again = false;
    std::thread other([&] {
        payload = 1;
        loop.event_trigger(event);
        is_triggered_again.store(true, std::memory_order_relaxed);  // Orders nothing.
    });
    while (!is_triggered_again.load(std::memory_order_relaxed)) std::this_thread::yield();
    loop.tick();
    EXPECT_EQ(reader.seen, 1);
    other.join();
    loop.close_event(event);
}

}  // namespace
}  // namespace blockd::io
