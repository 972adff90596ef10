#include <gtest/gtest.h>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr std::byte mark{0xee};
constexpr testing::MemoryBackend::Options blocks = {
    .size = test_disk_size, .alignment = 512, .hole_alignment = 4096};

TEST(DiskTrim, PunchesTheWholeBlocksInsideTheRange) {
    DiskWorld world(blocks);
    std::ranges::fill(world.backend.bytes(), mark);
    auto request = world.start(DiskCommand::trim, 100, 12'288);
    world.settle();
    EXPECT_TRUE(request->is_ok());
    ASSERT_EQ(world.backend.records().size(), 1u);
    EXPECT_EQ(world.backend.records()[0].offset, 4096u);
    EXPECT_EQ(world.backend.records()[0].size, 8192u);
    EXPECT_EQ(world.backend.bytes()[4095], mark);
    EXPECT_EQ(world.backend.bytes()[4096], std::byte(0));
}

TEST(DiskTrim, RangeInsideOneBlockChangesNothing) {
    DiskWorld world(blocks);
    auto request = world.start(DiskCommand::trim, 100, 5000);
    EXPECT_FALSE(request->is_done()) << "never inside the call";
    world.settle();
    EXPECT_TRUE(request->is_ok());
    EXPECT_TRUE(world.backend.records().empty());
}

TEST(DiskTrim, IsOnlyAHintWhereHolesAreUnknown) {
    DiskWorld world(blocks);
    world.backend.refuses_punch_hole = true;
    auto first = world.start(DiskCommand::trim, 0, 8192);
    world.settle();
    EXPECT_TRUE(first->is_ok());
    EXPECT_FALSE(world.disk.can_trim());
    auto second = world.start(DiskCommand::trim, 0, 8192);
    world.settle();
    EXPECT_TRUE(second->is_ok());
    EXPECT_EQ(world.backend.count(OperationKind::punch_hole), 1u) << "asked once, not again";
}

TEST(DiskTrim, DurableTrimSyncs) {
    DiskWorld world(blocks);
    auto request = world.make(DiskCommand::trim, 0, 8192);
    request->request.is_durable = true;
    world.disk.submit(request->request);
    world.settle();
    EXPECT_TRUE(request->is_ok());
    EXPECT_EQ(world.backend.records().back().kind, OperationKind::sync);
}

TEST(DiskWriteZeroes, PunchesUnlessBlocksAreKept) {
    DiskWorld world(blocks);
    auto punching = world.start(DiskCommand::write_zeroes, 0, 8192);
    world.settle();
    EXPECT_EQ(world.backend.records()[0].kind, OperationKind::punch_hole);

    auto keeping = world.make(DiskCommand::write_zeroes, 0, 8192);
    keeping->request.keeps_blocks = true;
    world.disk.submit(keeping->request);
    world.settle();
    EXPECT_EQ(world.backend.records()[1].kind, OperationKind::zero_range);
    world.release(*punching);
    world.release(*keeping);
}

TEST(DiskWriteZeroes, FallsBackToZeroRangeAndThenToWriting) {
    DiskWorld world(blocks);
    world.backend.refuses_punch_hole = true;
    world.backend.refuses_zero_range = true;
    std::ranges::fill(world.backend.bytes(), mark);
    auto request = world.start(DiskCommand::write_zeroes, 4096, 2 << 20);
    world.settle();
    EXPECT_TRUE(request->is_ok());
    EXPECT_EQ(world.backend.count(OperationKind::punch_hole), 1u);
    EXPECT_EQ(world.backend.count(OperationKind::zero_range), 1u);
    EXPECT_EQ(world.backend.count(OperationKind::write), 2u) << "a mebibyte each";
    EXPECT_EQ(world.backend.bytes()[4095], mark);
    EXPECT_EQ(world.backend.bytes()[4096], std::byte(0));
    EXPECT_EQ(world.backend.bytes()[4096 + (2 << 20)], mark);
    world.release(*request);
}

TEST(DiskWriteZeroes, MustBeFastIsRefusedWithoutAChange) {
    DiskWorld world(blocks);
    world.backend.refuses_punch_hole = true;
    world.backend.refuses_zero_range = true;
    std::ranges::fill(world.backend.bytes(), mark);
    auto request = world.make(DiskCommand::write_zeroes, 100, 20'000);
    request->request.must_be_fast = true;
    world.disk.submit(request->request);
    world.settle();
    EXPECT_TRUE(request->failed_with(ErrorCode::not_supported));
    EXPECT_EQ(std::ranges::count(world.backend.bytes(), mark), ptrdiff_t(test_disk_size));
    world.release(*request);
}

struct FastCase {
    bool knows_punch_hole;
    bool knows_zero_range;
    bool keeps_blocks;
    bool is_fast;
};

// FAST_ZERO with and without NO_HOLE, where the file system knows one of the two ways, or none.
TEST(DiskWriteZeroes, MustBeFastTakesTheWayThatThereIs) {
    for (const FastCase& each :
         {FastCase{true, false, false, true}, FastCase{true, false, true, false},
          FastCase{false, true, false, true}, FastCase{false, true, true, true},
          FastCase{true, true, true, true}, FastCase{false, false, false, false}}) {
        SCOPED_TRACE(::testing::Message()
                     << "punch " << each.knows_punch_hole << " zero " << each.knows_zero_range
                     << " keep " << each.keeps_blocks);
        DiskWorld world(blocks);
        world.backend.refuses_punch_hole = !each.knows_punch_hole;
        world.backend.refuses_zero_range = !each.knows_zero_range;
        std::ranges::fill(world.backend.bytes(), mark);
        auto request = world.make(DiskCommand::write_zeroes, 4096, 8192);
        request->request.must_be_fast = true;
        request->request.keeps_blocks = each.keeps_blocks;
        world.disk.submit(request->request);
        world.settle();
        EXPECT_EQ(request->is_ok(), each.is_fast);
        EXPECT_EQ(request->failed_with(ErrorCode::not_supported), !each.is_fast);
        EXPECT_EQ(std::ranges::count(world.backend.bytes(), std::byte(0)), each.is_fast ? 8192 : 0);
        EXPECT_EQ(world.backend.count(OperationKind::write), 0u);
        EXPECT_TRUE(!each.keeps_blocks || world.backend.count(OperationKind::punch_hole) == 0);
        world.release(*request);
    }
}

// The last block for holes is not whole: it is zeroed by writing, and no trim takes it.
TEST(DiskWriteZeroes, FileThatEndsInsideABlockForHolesIsZeroedToItsEnd) {
    constexpr uint64_t size = (1 << 20) + 3 * 512;
    for (const uint64_t zeroed : {uint64_t(100), uint64_t(3 * 512), uint64_t(9000), size}) {
        SCOPED_TRACE(zeroed);
        DiskWorld world({.size = size, .alignment = 512, .hole_alignment = 4096});
        std::ranges::fill(world.backend.bytes(), mark);
        auto trim = world.start(DiskCommand::trim, size - zeroed, zeroed);
        world.settle();
        EXPECT_TRUE(trim->is_ok());
        EXPECT_EQ(world.backend.bytes()[size - 1], mark);
        auto zeroes = world.start(DiskCommand::write_zeroes, size - zeroed, zeroed);
        world.settle();
        EXPECT_TRUE(zeroes->is_ok());
        EXPECT_EQ(uint64_t(std::ranges::count(world.backend.bytes(), std::byte(0))), zeroed);
        EXPECT_EQ(world.backend.bytes()[size - 1], std::byte(0));
        world.release(*zeroes);
    }
}

TEST(DiskWriteZeroes, HoldsAWorkerForOneStepAtATime) {
    constexpr uint64_t size = (2u << 30) + 4096;
    DiskWorld world({.size = size, .alignment = 4096, .hole_alignment = 4096, .has_bytes = false});
    auto request = world.start(DiskCommand::write_zeroes, 0, size);
    world.settle();
    ASSERT_EQ(world.backend.records().size(), 3u);
    EXPECT_EQ(world.backend.records()[0].size, disk_hole_size_max);
    EXPECT_EQ(world.backend.records()[2].size, 4096u);
    world.release(*request);
}

TEST(DiskWriteZeroes, DiskErrorEndsTheRequest) {
    DiskWorld world(
        {.size = test_disk_size, .alignment = 512, .hole_alignment = 4096, .is_manual = true});
    auto request = world.start(DiskCommand::write_zeroes, 0, 8192);
    world.tick();
    world.backend.fail(0, EIO);
    world.settle();
    EXPECT_TRUE(request->failed_with(ErrorCode::disk));
    EXPECT_TRUE(world.disk.can_trim()) << "EIO says nothing about what the file system knows";
    world.release(*request);
}

}  // namespace
}  // namespace blockd::storage
