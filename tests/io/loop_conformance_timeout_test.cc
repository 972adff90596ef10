// Timeouts, next_tick, and how a turn divides its time between them and sockets.
#include "io/loop_conformance.h"

#include <chrono>
#include <deque>

namespace blockd::io {
namespace {

using LoopTimeouts = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopTimeouts, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

uint64_t steady_now_ns() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::steady_clock::now().time_since_epoch())
                                     .count());
}

TEST_P(LoopTimeouts, EqualTimeoutsAllFireOnceAndNoneEarly) {
    constexpr uint64_t after_ns = 20 * millisecond_ns;
    std::deque<Outcome<Ok>> outcomes(10);
    const uint64_t begin_ns = steady_now_ns();
    for (Outcome<Ok>& outcome : outcomes) {
        loop.timeout(outcome.completion, {.after_ns = after_ns}, outcome.callback());
    }
    const auto has_one_fired = [&] { return outcomes.front().is_done(); };
    ASSERT_TRUE(run_until(has_one_fired));
    EXPECT_GE(steady_now_ns() - begin_ns, after_ns);
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    loop.tick();
    for (Outcome<Ok>& outcome : outcomes) EXPECT_EQ(outcome.call_count(), 1u);
}

// The clock that the loop remembers is old by then; counted from it, the timeout would be early.
TEST_P(LoopTimeouts, TimeSpentBeforeSubmittingIsNotCounted) {
    constexpr uint64_t after_ns = 10 * millisecond_ns;
    loop.tick();
    const uint64_t busy_until_ns = steady_now_ns() + 30 * millisecond_ns;
    while (steady_now_ns() < busy_until_ns) {
    }
    Outcome<Ok> outcome;
    const uint64_t begin_ns = steady_now_ns();
    loop.timeout(outcome.completion, {.after_ns = after_ns}, outcome.callback());
    ASSERT_TRUE(run_until_done(outcome));
    EXPECT_GE(steady_now_ns() - begin_ns, after_ns);
}

TEST_P(LoopTimeouts, ShorterOnesFireFirst) {
    struct Recorder {
        std::vector<int>* order;
        int number;
        Completion completion;
        void fired(Result<Ok>) { order->push_back(number); }
    };
    std::vector<int> order;
    std::deque<Recorder> recorders;
    for (const int number : {3, 1, 2}) {
        Recorder& recorder = recorders.emplace_back();
        recorder.order = &order;
        recorder.number = number;
        const uint64_t after_ns = static_cast<uint64_t>(number) * 5 * millisecond_ns;
        loop.timeout(recorder.completion, {.after_ns = after_ns},
                     bind<&Recorder::fired>(&recorder));
    }
    ASSERT_TRUE(run_until([&] { return order.size() == 3; }));
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_P(LoopTimeouts, AnEndlessTimeoutDoesNotOverflow) {
    Outcome<Ok> endless;
    loop.timeout(endless.completion, {.after_ns = UINT64_MAX}, endless.callback());
    loop.run_for_ns(2 * millisecond_ns);
    EXPECT_FALSE(endless.is_done());
    loop.cancel(endless.completion);
    ASSERT_TRUE(run_until_done(endless));
    EXPECT_TRUE(endless.is_error(ErrorCode::canceled));
}

// Armed again and cancelled from inside its own callback.
class Rearming {
  public:
    explicit Rearming(Loop& loop) : loop_(loop) {}
    void start() { loop_.timeout(completion_, {.after_ns = 0}, bind<&Rearming::fired>(this)); }
    uint32_t fired_count() const { return fired_count_; }
    uint32_t canceled_count() const { return canceled_count_; }

  private:
    void fired(Result<Ok> result) {
        if (!result) {
            ++canceled_count_;
            return;
        }
        ++fired_count_;
        start();
        if (fired_count_ == 5) loop_.cancel(completion_);
    }

    Loop& loop_;
    Completion completion_;
    uint32_t fired_count_ = 0;
    uint32_t canceled_count_ = 0;
};

TEST_P(LoopTimeouts, ATimeoutMayBeArmedAndCancelledInItsOwnCallback) {
    Rearming timeout(loop);
    timeout.start();
    ASSERT_TRUE(run_until([&] { return timeout.canceled_count() > 0; }));
    loop.run_for_ns(millisecond_ns);
    EXPECT_EQ(timeout.fired_count(), 5u);
    EXPECT_EQ(timeout.canceled_count(), 1u);
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

// A next_tick whose callback submits the next one, for ever or a number of times.
class TickChain {
  public:
    TickChain(Loop& loop, uint64_t length) : loop_(loop), left_(length) {}
    void start() { loop_.next_tick(completion_, bind<&TickChain::ticked>(this)); }
    void stop() { left_ = 0; }
    uint64_t left() const { return left_; }
    bool is_idle() const { return completion_.is_idle(); }

  private:
    void ticked(Result<Ok>) {
        if (left_ > 0 && --left_ > 0) start();
    }

    Loop& loop_;
    Completion completion_;
    uint64_t left_;
};

TEST_P(LoopTimeouts, AChainOfTenTicksCompletesInOneTurn) {
    TickChain chain(loop, 10);
    chain.start();
    loop.tick();
    EXPECT_EQ(chain.left(), 0u);
}

TEST_P(LoopTimeouts, AnEndlessChainOfTicksStarvesNeitherASocketNorATimeout) {
    const auto [near, far] = make_socket_pair();
    Buffer received(4);
    Outcome<uint32_t> recv;
    Outcome<Ok> timeout;
    TickChain chain(loop, UINT64_MAX);
    chain.start();
    loop.recv(recv.completion, {.socket = near, .vectors = received.vectors()}, recv.callback());
    loop.timeout(timeout.completion, {.after_ns = millisecond_ns}, timeout.callback());
    loop.tick();
    write_all(far, "ping");
    EXPECT_TRUE(run_until_done(recv, timeout));
    EXPECT_GT(loop.statistics().budgets_exhausted, 0u);
    chain.stop();
    EXPECT_TRUE(run_until([&] { return chain.is_idle(); }));
    close(near);
    close(far);
}

TEST_P(LoopTimeouts, RunForReturnsInTimeBesideAnEndlessChainOfTicks) {
    TickChain chain(loop, UINT64_MAX);
    chain.start();
    const uint64_t begin_ns = steady_now_ns();
    loop.run_for_ns(5 * millisecond_ns);
    EXPECT_GE(steady_now_ns() - begin_ns, 5 * millisecond_ns);
    EXPECT_LT(steady_now_ns() - begin_ns, 5 * second_ns);
    chain.stop();
    EXPECT_TRUE(run_until([&] { return chain.is_idle(); }));
}

TEST_P(LoopTimeouts, RunForZeroIsOneTick) {
    Outcome<Ok> tick;
    loop.next_tick(tick.completion, tick.callback());
    const uint64_t turns = loop.statistics().turns;
    loop.run_for_ns(0);
    EXPECT_EQ(loop.statistics().turns, turns + 1);
    EXPECT_TRUE(tick.is_done());
}

TEST_P(LoopTimeouts, RunForSleepsUntilItsTimeIsOver) {
    const uint64_t begin_ns = steady_now_ns();
    const uint64_t turns = loop.statistics().turns;
    loop.run_for_ns(20 * millisecond_ns);
    EXPECT_GE(steady_now_ns() - begin_ns, 20 * millisecond_ns);
    EXPECT_LT(loop.statistics().turns - turns, 100u) << "it slept, and did not spin";
}

TEST_P(LoopTimeouts, ATickRunsAfterAllThatIsReady) {
    struct Order {
        Loop& loop;
        Completion first, second, tick;
        std::vector<int> calls;
        void first_done(Result<Ok>) {
            calls.push_back(1);
            loop.next_tick(tick, bind<&Order::ticked>(this));
        }
        void second_done(Result<Ok>) { calls.push_back(2); }
        void ticked(Result<Ok>) { calls.push_back(3); }
    };
    Order order{.loop = loop, .first = {}, .second = {}, .tick = {}, .calls = {}};
    loop.timeout(order.first, {.after_ns = 0}, bind<&Order::first_done>(&order));
    loop.timeout(order.second, {.after_ns = 0}, bind<&Order::second_done>(&order));
    ASSERT_TRUE(run_until([&] { return order.calls.size() == 3; }));
    EXPECT_EQ(order.calls, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace blockd::io
