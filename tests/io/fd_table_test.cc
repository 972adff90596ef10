#include "io/fd_table.h"

#include <gtest/gtest.h>

namespace blockd::io {
namespace {

TEST(FdTable, GrowsOnlyForAHigherDescriptorAndNeverMovesASlot) {
    FdTable<LoopSlot> table;
    EXPECT_EQ(table.capacity(), 0u);
    LoopSlot& first = table[Fd{3}];
    first.is_close_staged = true;
    const size_t capacity = table.capacity();
    EXPECT_GT(capacity, 3u);
    table[Fd{0}].is_close_staged = true;
    EXPECT_EQ(table.capacity(), capacity);
    EXPECT_TRUE(table[Fd{100'000}].is_idle());
    EXPECT_GT(table.capacity(), 100'000u);
    EXPECT_EQ(&table[Fd{3}], &first);
    EXPECT_TRUE(first.is_close_staged);
}

TEST(FdTableDeathTest, NoDescriptorHasNoSlot) {
    FdTable<LoopSlot> table;
    EXPECT_DEATH(table[Fd::none], "fd > Fd::none");
}

}  // namespace
}  // namespace blockd::io
