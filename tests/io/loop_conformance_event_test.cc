// User events: waking the loop from other threads.
#include "io/loop_conformance.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace blockd::io {
namespace {

using LoopEvents = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopEvents, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

// Listens again in every callback, and counts; may trigger another event each time.
class Listener {
  public:
    explicit Listener(Loop& loop) : loop_(loop) { loop_.open_event(event_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { loop_.close_event(event_); }

    void listen() { loop_.event_listen(event_, completion_, bind<&Listener::heard>(this)); }
    void answer_to(Loop& loop, Event& event) {
        answered_loop_ = &loop;
        answered_event_ = &event;
    }
    void stop() {
        loop_.cancel(completion_);
        loop_.tick();
        EXPECT_TRUE(completion_.is_idle());
    }
    Event& event() { return event_; }
    uint32_t heard_count() const { return heard_count_; }
    std::thread::id thread() const { return thread_; }

  private:
    void heard(Result<Ok> result) {
        if (!result) return;
        ++heard_count_;
        thread_ = std::this_thread::get_id();
        listen();
        if (answered_event_ != nullptr) answered_loop_->event_trigger(*answered_event_);
    }

    Loop& loop_;
    Event event_;
    Completion completion_;
    Loop* answered_loop_ = nullptr;
    Event* answered_event_ = nullptr;
    uint32_t heard_count_ = 0;
    std::thread::id thread_;
};

struct Side {
    explicit Side(std::unique_ptr<Backend> backend) : loop(std::move(backend)), listener(loop) {}
    Loop loop;
    Listener listener;
};

// Goal: no wake-up of a loop by another thread is lost.
// Method: two loops in two threads wake each other, and sleep for as long as nobody does; one
// wake-up that is lost lasts a whole sleep.
TEST_P(LoopEvents, TwoLoopsInTwoThreadsWakeEachOther) {
    constexpr uint32_t rounds = 1'000;
    constexpr uint64_t sleep_ns = 20 * second_ns;
    Listener here(loop);
    std::atomic<uint32_t> lost_count = 0;
    const auto turn = [&](Loop& turned) {
        const auto begin = std::chrono::steady_clock::now();
        turned.flush(sleep_ns);
        const std::chrono::nanoseconds turn_ns = std::chrono::steady_clock::now() - begin;
        if (turn_ns >= std::chrono::nanoseconds(sleep_ns)) ++lost_count;
    };
    std::unique_ptr<Backend> backend = make_backend();
    std::atomic<Side*> there = nullptr;
    std::atomic<bool> is_over = false;
    std::atomic<bool> may_end = false;
    std::thread::id heard_in;
    std::thread other([&] {
        Side side(std::move(backend));
        side.listener.answer_to(loop, here.event());
        side.listener.listen();
        there = &side;
        while (!is_over) turn(side.loop);
        heard_in = side.listener.thread();
        side.listener.stop();
        while (!may_end) std::this_thread::yield();
    });
    const std::thread::id other_id = other.get_id();
    while (there == nullptr) std::this_thread::yield();
    here.answer_to(there.load()->loop, there.load()->listener.event());
    here.listen();
    there.load()->loop.event_trigger(there.load()->listener.event());
    while (here.heard_count() < rounds && lost_count == 0) turn(loop);
    here.stop();
    is_over = true;
    there.load()->loop.event_trigger(there.load()->listener.event());
    may_end = true;
    other.join();
    EXPECT_EQ(lost_count, 0u);
    EXPECT_GE(here.heard_count(), rounds);
    EXPECT_EQ(here.thread(), std::this_thread::get_id());
    EXPECT_EQ(heard_in, other_id);
}

TEST_P(LoopEvents, TriggersBeforeTheCallbackCoalesce) {
    Listener listener(loop);
    listener.listen();
    for (int repetition = 0; repetition < 5; ++repetition) loop.event_trigger(listener.event());
    loop.tick();
    loop.tick();
    EXPECT_EQ(listener.heard_count(), 1u);
    loop.event_trigger(listener.event());
    loop.tick();
    EXPECT_EQ(listener.heard_count(), 2u);
    listener.stop();
}

TEST_P(LoopEvents, ATriggerWithoutAListenerIsKeptForTheNextOne) {
    Listener listener(loop);
    loop.event_trigger(listener.event());
    loop.event_trigger(listener.event());
    loop.tick();
    EXPECT_EQ(listener.heard_count(), 0u);
    listener.listen();
    EXPECT_EQ(listener.heard_count(), 0u) << "no callback inside the submitting call";
    loop.tick();
    EXPECT_EQ(listener.heard_count(), 1u);
    listener.stop();
}

TEST_P(LoopEvents, AnEventMayBeClosedWhileItsTriggerWaits) {
    Listener listener(loop);
    {
        Listener closed(loop);
        loop.event_trigger(listener.event());
        loop.event_trigger(closed.event());
    }
    listener.listen();
    loop.tick();
    EXPECT_EQ(listener.heard_count(), 1u);
    listener.stop();
}

TEST_P(LoopEvents, ACancelledListenerIsToldSoAndTheNextTriggerIsKept) {
    Event event;
    loop.open_event(event);
    Outcome<Ok> first;
    Outcome<Ok> second;
    loop.event_listen(event, first.completion, first.callback());
    loop.cancel(first.completion);
    loop.event_trigger(event);
    ASSERT_TRUE(run_until_done(first));
    EXPECT_TRUE(first.is_error(ErrorCode::canceled));
    loop.event_listen(event, second.completion, second.callback());
    ASSERT_TRUE(run_until_done(second));
    EXPECT_TRUE(second.has_value());
    loop.close_event(event);
}

// Every trigger after a callback must lead to another callback: the last one is never lost.
TEST_P(LoopEvents, NoTriggerOfAStormFromFourThreadsIsLost) {
    constexpr int thread_count = 4;
    constexpr uint32_t triggers_each = 20'000;
    struct Work {
        Listener listener;
        std::atomic<uint32_t> produced = 0;
        explicit Work(Loop& loop) : listener(loop) {}
    };
    std::deque<Work> works;
    for (int index = 0; index < thread_count; ++index) works.emplace_back(loop).listener.listen();
    std::vector<std::thread> threads;
    for (int index = 0; index < thread_count; ++index) {
        threads.emplace_back([&, index] {
            for (uint32_t trigger = 0; trigger < triggers_each; ++trigger) {
                // Each thread rings its own event, and all of them the first one.
                Work& own = works[static_cast<size_t>(index)];
                ++own.produced;
                loop.event_trigger(own.listener.event());
                loop.event_trigger(works.front().listener.event());
            }
        });
    }
    const auto is_all_produced = [&] {
        for (const Work& work : works) {
            if (work.produced < triggers_each) return false;
        }
        return true;
    };
    EXPECT_TRUE(run_until(is_all_produced));
    for (std::thread& thread : threads) thread.join();
    loop.tick();
    for (Work& work : works) {
        EXPECT_GT(work.listener.heard_count(), 0u);
        EXPECT_LE(work.listener.heard_count(), triggers_each * (thread_count + 1));
        const uint32_t heard_count = work.listener.heard_count();
        loop.event_trigger(work.listener.event());
        loop.tick();
        EXPECT_EQ(work.listener.heard_count(), heard_count + 1);
        work.listener.stop();
    }
}

}  // namespace
}  // namespace blockd::io
