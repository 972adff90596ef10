#include "storage/block_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace blockd::storage {
namespace {

constexpr uint64_t block = cache_block_size;
constexpr uint32_t slots = cache_size_min / cache_block_size;

std::vector<std::byte> blocks_of(std::byte mark, size_t count = 1) {
    return std::vector<std::byte>(count * block, mark);
}

class BlockCacheTest : public ::testing::Test {
  protected:
    void fill(uint64_t begin, std::byte mark, size_t count = 1) {
        cache_.fill(begin, blocks_of(mark, count), cache_.now());
    }
    void expect_lent(const BufferList& buffers, const std::vector<std::byte>& expected) {
        std::vector<std::byte> held;
        for (Buffer* buffer = buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
            held.insert(held.end(), buffer->data, buffer->data + buffer->size);
        }
        EXPECT_EQ(held, expected);
    }
    void give_back(BufferList& buffers) {
        cache_.take_back(buffers);
        pool_.release(buffers);
    }

    BufferPool pool_{{.arena_size = buffer_size_max, .buffers_max = 4}};
    BlockCache cache_{cache_size_min};
    BufferList lent_;
};

constexpr std::byte mark_a{0xaa};
constexpr std::byte mark_b{0xbb};

TEST_F(BlockCacheTest, LendsWhatWasFilled) {
    EXPECT_FALSE(cache_.lend(0, block, pool_, lent_));
    fill(0, mark_a, 2);
    ASSERT_TRUE(cache_.lend(0, 2 * block, pool_, lent_));
    expect_lent(lent_, blocks_of(mark_a, 2));
    EXPECT_EQ(lent_.count(), 1u) << "what lies side by side is one buffer";
    EXPECT_EQ(pool_.used_size(), 0u) << "and takes no memory of the pool";
    give_back(lent_);
}

TEST_F(BlockCacheTest, LendsAllOrNothing) {
    fill(0, mark_a);
    fill(2 * block, mark_a);
    EXPECT_FALSE(cache_.lend(0, 3 * block, pool_, lent_)) << "the middle is missing";
    EXPECT_TRUE(lent_.is_empty());
}

TEST_F(BlockCacheTest, LendsNothingForWantOfBuffers) {
    for (const uint64_t index : {0u, 2u, 4u, 6u, 8u, 1u, 3u, 5u, 7u}) fill(index * block, mark_a);
    EXPECT_FALSE(cache_.lend(0, 5 * block, pool_, lent_)) << "five pieces, four buffers";
    EXPECT_TRUE(lent_.is_empty());
    ASSERT_TRUE(cache_.lend(0, 4 * block, pool_, lent_));
    give_back(lent_);
}

TEST_F(BlockCacheTest, WhatIsLentKeepsItsBytesUntilItIsBack) {
    fill(0, mark_a);
    ASSERT_TRUE(cache_.lend(0, block, pool_, lent_));
    cache_.begin_change(0, block);
    EXPECT_FALSE(cache_.contains(0));
    cache_.insert(0, blocks_of(mark_b));
    for (uint64_t other = 1; other < 3 * slots; ++other) fill(other * block, mark_b);
    expect_lent(lent_, blocks_of(mark_a));
    give_back(lent_);
}

TEST_F(BlockCacheTest, EveryLoanCounts) {
    BufferList second;
    fill(0, mark_a);
    ASSERT_TRUE(cache_.lend(0, block, pool_, lent_));
    ASSERT_TRUE(cache_.lend(0, block, pool_, second));
    cache_.begin_change(0, block);
    give_back(lent_);
    for (uint64_t other = 1; other < 3 * slots; ++other) fill(other * block, mark_b);
    expect_lent(second, blocks_of(mark_a));
    give_back(second);
}

TEST_F(BlockCacheTest, WhatChangedSinceTheReadBeganIsNotFilled) {
    const uint64_t moment = cache_.now();
    cache_.begin_change(block, 2 * block);
    cache_.fill(0, blocks_of(mark_a, 3), moment);
    EXPECT_TRUE(cache_.contains(0));
    EXPECT_FALSE(cache_.contains(block));
    EXPECT_TRUE(cache_.contains(2 * block));
}

TEST_F(BlockCacheTest, AFillLeavesNewerBytesAlone) {
    cache_.begin_change(0, block);
    const uint64_t moment = cache_.now();
    cache_.insert(0, blocks_of(mark_b));
    cache_.fill(0, blocks_of(mark_a), moment);
    std::vector<std::byte> copied(block);
    ASSERT_TRUE(cache_.copy(0, copied));
    EXPECT_EQ(copied, blocks_of(mark_b));
}

TEST_F(BlockCacheTest, AChangeOfPartOfABlockForgetsIt) {
    fill(0, mark_a, 3);
    cache_.begin_change(block + 512, 2 * block - 512);
    EXPECT_TRUE(cache_.contains(0));
    EXPECT_FALSE(cache_.contains(block));
    EXPECT_TRUE(cache_.contains(2 * block));
}

TEST_F(BlockCacheTest, AChangeOfTheWholeDiskForgetsAllThatIsInIt) {
    fill(0, mark_a, 3);
    fill(uint64_t(1) << 40, mark_a);
    cache_.begin_change(block, uint64_t(1) << 40);
    EXPECT_TRUE(cache_.contains(0));
    EXPECT_FALSE(cache_.contains(block));
    EXPECT_FALSE(cache_.contains(2 * block));
    EXPECT_TRUE(cache_.contains(uint64_t(1) << 40));
}

TEST_F(BlockCacheTest, HoldsAsManyBlocksAsItsSizeAndNoMore) {
    for (uint64_t index = 0; index < slots; ++index) fill(index * block, mark_a);
    EXPECT_EQ(cache_.block_count(), slots);
    EXPECT_TRUE(cache_.contains(0));
    fill(slots * block, mark_b);
    EXPECT_EQ(cache_.block_count(), slots);
    EXPECT_FALSE(cache_.contains(0)) << "the oldest left";
}

TEST_F(BlockCacheTest, WhereEverythingIsLentNothingIsFilled) {
    BufferPool pool({.arena_size = buffer_size_max, .buffers_max = slots});
    for (uint64_t index = 0; index < slots; ++index) fill(index * block, mark_a);
    for (uint64_t index = 0; index < slots; ++index) {
        ASSERT_TRUE(cache_.lend(index * block, (index + 1) * block, pool, lent_));
    }
    fill(slots * block, mark_b);
    EXPECT_FALSE(cache_.contains(slots * block));
    EXPECT_TRUE(std::ranges::all_of(std::span(lent_.front()->data, block),
                                    [](std::byte byte) { return byte == mark_a; }));
    cache_.take_back(lent_);
    pool.release(lent_);
}

TEST_F(BlockCacheTest, TheLargestRequestOfOddBlocksIsLent) {
    constexpr size_t count = cache_request_size_max / cache_block_size + 1;
    fill(0, mark_a, count);
    ASSERT_TRUE(cache_.lend(0, count * block, pool_, lent_));
    expect_lent(lent_, blocks_of(mark_a, count));
    give_back(lent_);
}

}  // namespace
}  // namespace blockd::storage
