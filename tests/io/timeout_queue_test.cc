#include "io/timeout_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace blockd::io {
namespace {

TEST(TimeoutQueue, IsEmptyWithoutADeadline) {
    TimeoutQueue queue;
    EXPECT_TRUE(queue.is_empty());
    EXPECT_EQ(queue.next_deadline_ns(), TimeoutQueue::no_deadline);
    EXPECT_EQ(queue.pop_due(UINT64_MAX), nullptr);
}

TEST(TimeoutQueue, GivesNothingBeforeItsDeadline) {
    TimeoutQueue queue;
    Completion completion;
    queue.insert(completion, 100);
    EXPECT_EQ(queue.next_deadline_ns(), 100u);
    EXPECT_EQ(queue.pop_due(99), nullptr);
    EXPECT_EQ(queue.pop_due(100), &completion);
    EXPECT_TRUE(queue.is_empty());
}

TEST(TimeoutQueue, GivesEqualDeadlinesInTheOrderOfTheirInsertion) {
    TimeoutQueue queue;
    std::deque<Completion> completions(100);
    for (Completion& completion : completions) queue.insert(completion, 7);
    for (Completion& completion : completions) EXPECT_EQ(queue.pop_due(7), &completion);
}

// The queue against a std::set that is obviously right.
TEST(TimeoutQueue, AgreesWithAnOrderedSetUnderRandomInsertionsAndRemovals) {
    const unsigned seed = std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    TimeoutQueue queue;
    std::deque<Completion> completions(500);
    std::vector<Completion*> idle;
    for (Completion& completion : completions) idle.push_back(&completion);
    std::set<std::tuple<uint64_t, uint64_t, Completion*>> model;
    for (int step = 0; step < 20'000; ++step) {
        const bool inserts = !idle.empty() && (model.empty() || random() % 2 == 0);
        if (inserts) {
            std::swap(idle[random() % idle.size()], idle.back());
            queue.insert(*idle.back(), random() % 100);
            model.emplace(idle.back()->deadline_ns, idle.back()->sequence, idle.back());
            idle.pop_back();
        } else if (random() % 2 == 0) {
            Completion* const first = std::get<2>(*model.begin());
            ASSERT_EQ(queue.pop_due(UINT64_MAX), first);
            model.erase(model.begin());
            idle.push_back(first);
        } else {
            const auto chosen =
                std::next(model.begin(), static_cast<long>(random() % model.size()));
            idle.push_back(std::get<2>(*chosen));
            queue.remove(*idle.back());
            model.erase(chosen);
        }
        ASSERT_EQ(queue.count(), model.size());
        if (!model.empty()) {
            ASSERT_EQ(queue.next_deadline_ns(), std::get<0>(*model.begin()));
        }
    }
}

// Four children a node: 100,000 timeouts lie in nine levels, each of which costs a removal at most
// four comparisons. A queue that scanned would need 100,000.
TEST(TimeoutQueue, ComparesLogarithmicallyOften) {
    constexpr uint64_t count = 100'000;
    constexpr uint64_t comparisons_max = 9 * 4 + 1;
    std::mt19937_64 random(1);
    TimeoutQueue queue;
    std::vector<Completion> completions(count + 1);
    for (size_t index = 0; index < count; ++index) queue.insert(completions[index], random());
    for (int repetition = 0; repetition < 1'000; ++repetition) {
        uint64_t before = queue.comparisons();
        queue.insert(completions[count], random());
        ASSERT_LE(queue.comparisons() - before, comparisons_max);
        before = queue.comparisons();
        queue.remove(completions[count]);
        ASSERT_LE(queue.comparisons() - before, comparisons_max);
    }
    uint64_t before = queue.comparisons();
    ASSERT_EQ(queue.pop_due(0), nullptr);
    ASSERT_EQ(queue.comparisons(), before);
    ASSERT_NE(queue.pop_due(UINT64_MAX), nullptr);
    ASSERT_LE(queue.comparisons() - before, comparisons_max);
}

}  // namespace
}  // namespace blockd::io
