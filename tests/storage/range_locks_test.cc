#include "storage/range_locks.h"

#include <gtest/gtest.h>

#include <vector>

namespace blockd::storage {
namespace {

struct Writer {
    explicit Writer(uint64_t begin, uint64_t end) {
        lock.begin = begin;
        lock.end = end;
        lock.granted = io::bind<&Writer::granted>(this);
    }
    void granted(Result<Ok>) {
        ++grants;
        if (order != nullptr) order->push_back(this);
    }

    RangeLock lock;
    int grants = 0;
    std::vector<Writer*>* order = nullptr;
};

TEST(RangeLocks, RangesThatDoNotOverlapAreHeldTogether) {
    RangeLocks locks(8);
    Writer first(0, 4096);
    Writer second(4096, 8192);
    EXPECT_TRUE(locks.acquire(first.lock));
    EXPECT_TRUE(locks.acquire(second.lock)) << "touching is not overlapping";
    locks.release(first.lock);
    locks.release(second.lock);
    EXPECT_EQ(first.grants + second.grants, 0);
}

TEST(RangeLocks, TellWhetherAByteIsHeld) {
    RangeLocks locks(8);
    Writer writer(4096, 8192);
    EXPECT_FALSE(locks.is_held(0, UINT64_MAX));
    EXPECT_TRUE(locks.acquire(writer.lock));
    EXPECT_TRUE(locks.is_held(8191, 8192));
    EXPECT_FALSE(locks.is_held(8192, 9000));
    EXPECT_FALSE(locks.is_held(0, 4096));
    locks.release(writer.lock);
    EXPECT_FALSE(locks.is_held(8191, 8192));
}

TEST(RangeLocks, OverlappingRangeWaitsForRelease) {
    RangeLocks locks(8);
    Writer first(0, 8192);
    Writer second(8191, 9000);
    EXPECT_TRUE(locks.acquire(first.lock));
    EXPECT_FALSE(locks.acquire(second.lock));
    EXPECT_EQ(second.grants, 0);
    locks.release(first.lock);
    EXPECT_EQ(second.grants, 1);
    locks.release(second.lock);
}

TEST(RangeLocks, WaitersAreServedInTheirOrder) {
    RangeLocks locks(8);
    std::vector<Writer*> order;
    Writer first(0, 10);
    Writer second(5, 15);
    Writer third(0, 20);
    for (Writer* writer : {&first, &second, &third}) writer->order = &order;
    EXPECT_TRUE(locks.acquire(first.lock));
    EXPECT_FALSE(locks.acquire(second.lock));
    EXPECT_FALSE(locks.acquire(third.lock));
    locks.release(first.lock);
    EXPECT_EQ(order, std::vector<Writer*>{&second});
    locks.release(second.lock);
    EXPECT_EQ(order, (std::vector<Writer*>{&second, &third}));
    locks.release(third.lock);
}

TEST(RangeLocks, NewcomerDoesNotOvertakeAnOverlappingWaiter) {
    RangeLocks locks(8);
    Writer holder(0, 10);
    Writer waiter(5, 25);
    Writer newcomer(20, 30);
    EXPECT_TRUE(locks.acquire(holder.lock));
    EXPECT_FALSE(locks.acquire(waiter.lock));
    EXPECT_FALSE(locks.acquire(newcomer.lock)) << "it overlaps one that came before";
    locks.release(holder.lock);
    EXPECT_EQ(waiter.grants, 1);
    EXPECT_EQ(newcomer.grants, 0);
    locks.release(waiter.lock);
    EXPECT_EQ(newcomer.grants, 1);
    locks.release(newcomer.lock);
}

TEST(RangeLocks, OneReleaseServesEveryWaiterThatFits) {
    RangeLocks locks(8);
    Writer wide(0, 100);
    Writer left(0, 10);
    Writer right(50, 60);
    EXPECT_TRUE(locks.acquire(wide.lock));
    EXPECT_FALSE(locks.acquire(left.lock));
    EXPECT_FALSE(locks.acquire(right.lock));
    locks.release(wide.lock);
    EXPECT_EQ(left.grants, 1);
    EXPECT_EQ(right.grants, 1);
    EXPECT_EQ(locks.held_count(), 2u);
    locks.release(left.lock);
    locks.release(right.lock);
    EXPECT_EQ(locks.held_count(), 0u);
}

TEST(RangeLocksDeathTest, MoreThanTheBoundAsserts) {
    RangeLocks locks(1);
    Writer first(0, 1);
    Writer second(1, 2);
    ASSERT_TRUE(locks.acquire(first.lock));
    EXPECT_DEATH((void)locks.acquire(second.lock), "capacity");
    locks.release(first.lock);
}

}  // namespace
}  // namespace blockd::storage
