#include "storage/s3_fifo.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <unordered_map>
#include <vector>

namespace blockd::storage {
namespace {

// A cache that holds names alone: what a BlockCache does with its queues.
class NameCache {
  public:
    explicit NameCache(uint32_t slots_count) : queues_(slots_count) {
        for (uint32_t slot = slots_count; slot > 0; --slot) free_.push_back(slot - 1);
    }

    // True when the block was there.
    bool ask(uint64_t block) {
        const auto found = slots_.find(block);
        if (found != slots_.end()) {
            queues_.touch(found->second);
            return true;
        }
        if (free_.empty()) {
            const uint32_t slot = queues_.evict();
            if (slot == S3Fifo::no_slot) return false;
            slots_.erase(queues_.block(slot));
            free_.push_back(slot);
        }
        slots_[block] = free_.back();
        queues_.insert(free_.back(), block);
        free_.pop_back();
        return false;
    }
    bool has(uint64_t block) const { return slots_.contains(block); }
    S3Fifo& queues() { return queues_; }

  private:
    S3Fifo queues_;
    std::vector<uint32_t> free_;
    std::unordered_map<uint64_t, uint32_t> slots_;
};

TEST(S3Fifo, WhatIsInUseSurvivesAScanOfManyTimesTheCache) {
    NameCache cache(1000);
    for (int round = 0; round < 4; ++round) {
        for (uint64_t block = 0; block < 500; ++block) cache.ask(block);
    }
    uint32_t lost = 0;
    for (uint64_t step = 0; step < 20'000; ++step) {
        cache.ask(1'000'000 + step);
        if (!cache.ask(step % 500)) ++lost;
    }
    EXPECT_LT(lost, 100u) << "of 20,000";
}

TEST(S3Fifo, WhatIsAskedForOnceLeavesInTheOrderInWhichItCame) {
    S3Fifo queues(10);
    for (uint32_t slot = 0; slot < 10; ++slot) queues.insert(slot, slot);
    for (uint32_t slot = 0; slot < 10; ++slot) EXPECT_EQ(queues.evict(), slot);
    EXPECT_EQ(queues.evict(), S3Fifo::no_slot);
}

TEST(S3Fifo, WhatComesBackSoonStaysLonger) {
    NameCache cache(10);
    for (uint64_t block = 0; block < 20; ++block) cache.ask(block);
    ASSERT_FALSE(cache.has(5));
    cache.ask(5);  // It is remembered.
    for (uint64_t block = 100; block < 120; ++block) cache.ask(block);
    EXPECT_TRUE(cache.has(5));
}

TEST(S3Fifo, WhatWasGoneForLongIsNew) {
    NameCache cache(10);
    cache.ask(5);
    for (uint64_t block = 100; block < 130; ++block) cache.ask(block);
    cache.ask(5);
    for (uint64_t block = 200; block < 220; ++block) cache.ask(block);
    EXPECT_FALSE(cache.has(5));
}

TEST(S3Fifo, WhatIsPinnedDoesNotLeave) {
    S3Fifo queues(4);
    for (uint32_t slot = 0; slot < 4; ++slot) queues.insert(slot, slot);
    queues.pin(0);
    queues.pin(0);
    queues.pin(2);
    const std::set<uint32_t> left = {queues.evict(), queues.evict()};
    EXPECT_EQ(left, (std::set<uint32_t>{1, 3}));
    EXPECT_EQ(queues.evict(), S3Fifo::no_slot) << "a search ends, though it finds nothing";
    EXPECT_FALSE(queues.unpin(0));
    EXPECT_EQ(queues.evict(), S3Fifo::no_slot);
    EXPECT_TRUE(queues.unpin(0));
    EXPECT_EQ(queues.evict(), 0u);
}

TEST(S3Fifo, ASearchGoesOnWhereTheOneBeforeItEnded) {
    constexpr uint32_t pinned = 3 * s3_fifo_steps_max;
    S3Fifo queues(pinned + 1);
    for (uint32_t slot = 0; slot < pinned; ++slot) {
        queues.insert(slot, slot);
        queues.pin(slot);
    }
    queues.insert(pinned, pinned);
    uint32_t searches = 1;
    while (queues.evict() == S3Fifo::no_slot) ++searches;
    EXPECT_GT(searches, 1u);
    EXPECT_LE(searches, 2 * (pinned / s3_fifo_steps_max + 1));
}

TEST(S3Fifo, WhatIsRemovedIsInNoQueue) {
    S3Fifo queues(2);
    queues.insert(0, 7);
    queues.insert(1, 8);
    queues.pin(0);
    queues.remove(0);
    EXPECT_FALSE(queues.is_queued(0));
    EXPECT_TRUE(queues.unpin(0));
    EXPECT_EQ(queues.evict(), 1u);
    EXPECT_EQ(queues.evict(), S3Fifo::no_slot);
}

// Goal: it beats a FIFO where S3-FIFO promises to: a few blocks asked for often, many once.
TEST(S3Fifo, HitsMoreOftenThanAPlainQueue) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    constexpr uint32_t slots = 1000;
    NameCache cache(slots);
    std::unordered_map<uint64_t, uint64_t> fifo;  // The block to when it came.
    std::vector<uint64_t> order;
    size_t oldest = 0;
    uint32_t hits = 0;
    uint32_t fifo_hits = 0;
    for (uint32_t step = 0; step < 100'000; ++step) {
        const bool is_hot = random() % 2 == 0;
        const uint64_t block = is_hot ? random() % 700 : 10'000 + random() % 1'000'000;
        if (cache.ask(block)) ++hits;
        if (fifo.contains(block)) {
            ++fifo_hits;
            continue;
        }
        fifo[block] = step;
        order.push_back(block);
        if (fifo.size() > slots) fifo.erase(order[oldest++]);
    }
    EXPECT_GT(hits, fifo_hits * 5 / 4);
}

}  // namespace
}  // namespace blockd::storage
