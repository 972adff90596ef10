#include "storage/buffer_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace blockd::storage {
namespace {

constexpr uint64_t mebibyte = 1 << 20;

uint64_t size_of(const BufferList& buffers) {
    uint64_t size = 0;
    for (Buffer* buffer = buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
        size += buffer->size;
    }
    return size;
}

TEST(BufferPool, FootprintIsWholeMebibytesPlusPowerOfTwo) {
    EXPECT_EQ(BufferPool::footprint(0), 0u);
    EXPECT_EQ(BufferPool::footprint(1), 4096u);
    EXPECT_EQ(BufferPool::footprint(4096), 4096u);
    EXPECT_EQ(BufferPool::footprint(4097), 8192u);
    EXPECT_EQ(BufferPool::footprint(mebibyte), mebibyte);
    EXPECT_EQ(BufferPool::footprint(mebibyte + 1), mebibyte + 4096);
    EXPECT_EQ(BufferPool::footprint(32 * mebibyte), 32 * mebibyte);
}

TEST(BufferPool, AdoptsMemoryThatIsNotItsOwn) {
    BufferPool pool({.arena_size = mebibyte, .buffers_max = 2});
    std::vector<std::byte> memory(8192);
    BufferList adopted;
    ASSERT_TRUE(pool.adopt(memory, adopted));
    EXPECT_EQ(adopted.front()->data, memory.data());
    EXPECT_EQ(adopted.front()->payload().size(), 8192u);
    EXPECT_EQ(pool.used_size(), 0u);
    ASSERT_TRUE(pool.adopt(memory, adopted));
    EXPECT_FALSE(pool.adopt(memory, adopted)) << "two buffers are all there are";
    EXPECT_EQ(adopted.count(), 2u);
    pool.release(adopted);
    ASSERT_TRUE(pool.allocate(mebibyte, adopted)) << "its own memory was never touched";
    pool.release(adopted);
}

TEST(BufferPool, PiecesAreAlignedToTheirOwnSize) {
    BufferPool pool({.arena_size = 4 * mebibyte, .buffers_max = 64});
    for (uint64_t size = buffer_size_min; size <= buffer_size_max; size *= 2) {
        BufferList buffers;
        ASSERT_TRUE(pool.allocate(size, buffers));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(buffers.front()->data) % size, 0u) << size;
        pool.release(buffers);
    }
}

TEST(BufferPool, LargeRequestIsMadeOfMebibytePieces) {
    BufferPool pool({.arena_size = 64 * mebibyte, .buffers_max = 64});
    BufferList buffers;
    ASSERT_TRUE(pool.allocate(32 * mebibyte + 8192, buffers));
    EXPECT_EQ(buffers.count(), 33u);
    EXPECT_EQ(size_of(buffers), 32 * mebibyte + 8192);
    EXPECT_EQ(pool.used_size(), 32 * mebibyte + 8192);
    pool.release(buffers);
    EXPECT_EQ(pool.used_size(), 0u);
}

TEST(BufferPool, GivesAllOrNothing) {
    BufferPool pool({.arena_size = 2 * mebibyte, .buffers_max = 64});
    BufferList whole;
    ASSERT_TRUE(pool.allocate(mebibyte, whole));
    BufferList refused;
    EXPECT_FALSE(pool.allocate(mebibyte + 4096 * 257, refused));
    EXPECT_TRUE(refused.is_empty());
    EXPECT_EQ(pool.used_size(), mebibyte);
    ASSERT_TRUE(pool.allocate(mebibyte, refused));
    EXPECT_FALSE(pool.allocate(1, refused));
    pool.release(whole);
    pool.release(refused);
}

TEST(BufferPool, RefusesMorePiecesThanItHasDescriptors) {
    BufferPool pool({.arena_size = 2 * mebibyte, .buffers_max = 2});
    BufferList buffers;
    ASSERT_TRUE(pool.allocate(4096, buffers));
    ASSERT_TRUE(pool.allocate(4096, buffers));
    EXPECT_FALSE(pool.allocate(4096, buffers));
    pool.release(buffers);
}

TEST(BufferPool, WholeArenaIsUsableAgainAfterFragmentation) {
    BufferPool pool({.arena_size = 2 * mebibyte, .buffers_max = 1024});
    BufferList odd;
    BufferList even;
    for (int index = 0; index < 512; ++index) {
        ASSERT_TRUE(pool.allocate(4096, index % 2 ? odd : even));
    }
    pool.release(odd);
    BufferList large;
    EXPECT_FALSE(pool.allocate(8192, large)) << "every second page is in use";
    pool.release(even);
    ASSERT_TRUE(pool.allocate(2 * mebibyte, large));
    pool.release(large);
}

TEST(BufferPool, RandomPiecesNeverOverlap) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    BufferPool pool({.arena_size = 8 * mebibyte, .buffers_max = 256});
    struct Holding {
        BufferList buffers;
        std::byte mark;
    };
    std::vector<std::unique_ptr<Holding>> held;
    for (int step = 0; step < 5000; ++step) {
        auto holding = std::make_unique<Holding>();
        holding->mark = std::byte(step);
        const uint64_t size = 1 + random() % (random() % 8 == 0 ? 3 * mebibyte : 40'000);
        if (pool.allocate(size, holding->buffers)) {
            for (Buffer* b = holding->buffers.front(); b; b = BufferList::next(*b)) {
                std::fill_n(b->data, b->size, holding->mark);
            }
            held.push_back(std::move(holding));
        }
        if (held.empty() || random() % 2 == 0) continue;
        std::swap(held[random() % held.size()], held.back());
        for (Buffer* b = held.back()->buffers.front(); b; b = BufferList::next(*b)) {
            ASSERT_EQ(std::count(b->data, b->data + b->size, held.back()->mark),
                      ptrdiff_t(b->size));
        }
        pool.release(held.back()->buffers);
        held.pop_back();
    }
    for (const auto& holding : held) pool.release(holding->buffers);
    EXPECT_EQ(pool.used_size(), 0u);
}

}  // namespace
}  // namespace blockd::storage
