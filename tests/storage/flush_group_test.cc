#include "storage/flush_group.h"

#include <gtest/gtest.h>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr std::byte mark{0x77};
constexpr testing::MemoryBackend::Options manual = {.size = test_disk_size, .is_manual = true};

TEST(FlushGroup, DurableWriteIsDoneOnlyAfterItsSync) {
    DiskWorld world(manual);
    auto request = world.write(0, 4096, mark, true);
    world.tick();
    EXPECT_EQ(world.backend.pending(0).kind, OperationKind::write);
    world.backend.finish(0);
    world.tick();
    world.tick();
    EXPECT_FALSE(request->is_done()) << "written, but not durable";
    ASSERT_EQ(world.backend.pending(0).kind, OperationKind::sync);
    world.backend.finish(0);
    world.settle();
    EXPECT_TRUE(request->is_ok());
    world.release(*request);
}

TEST(FlushGroup, FlushDuringARunningSyncGetsTheNextOne) {
    DiskWorld world(manual);
    auto first = world.start(DiskCommand::flush, 0, 0);
    world.tick();
    auto second = world.start(DiskCommand::flush, 0, 0);
    auto third = world.start(DiskCommand::flush, 0, 0);
    world.tick();
    EXPECT_EQ(world.backend.pending_count(), 1u) << "one sync runs per file";
    world.backend.finish(0);
    world.tick();
    EXPECT_TRUE(first->is_ok());
    EXPECT_FALSE(second->is_done()) << "the sync that ran may have begun before its write";
    world.tick();
    ASSERT_EQ(world.backend.pending_count(), 1u) << "and the two share the next one";
    world.backend.finish(0);
    world.settle();
    EXPECT_TRUE(second->is_ok());
    EXPECT_TRUE(third->is_ok());
    EXPECT_EQ(world.disk.sync_count(), 2u);
}

TEST(FlushGroup, FlushWithoutLoadIsOneSync) {
    DiskWorld world({.size = test_disk_size});
    auto request = world.start(DiskCommand::flush, 0, 0);
    EXPECT_FALSE(request->is_done()) << "never inside the call";
    world.settle();
    EXPECT_TRUE(request->is_ok());
    EXPECT_EQ(world.backend.count(OperationKind::sync), 1u);
}

TEST(FlushGroup, FailedSyncFailsRunningAndWaitingAndAllThatChangeTheDiskLater) {
    DiskWorld world(manual);
    auto running = world.start(DiskCommand::flush, 0, 0);
    world.tick();
    auto waiting = world.start(DiskCommand::flush, 0, 0);
    world.backend.fail(0, EIO);
    world.settle();
    EXPECT_TRUE(running->failed_with(ErrorCode::disk));
    EXPECT_TRUE(waiting->failed_with(ErrorCode::disk));
    EXPECT_TRUE(world.disk.has_failed());
    EXPECT_EQ(world.disk.sync_count(), 1u) << "a failed sync is never repeated";

    auto write = world.write(0, 4096, mark);
    auto flush = world.start(DiskCommand::flush, 0, 0);
    auto trim = world.start(DiskCommand::trim, 0, 8192);
    auto zero = world.start(DiskCommand::write_zeroes, 0, 8192);
    EXPECT_FALSE(write->is_done()) << "never inside the call";
    world.settle();
    for (TestRequest* request : {write.get(), flush.get(), trim.get(), zero.get()}) {
        EXPECT_TRUE(request->failed_with(ErrorCode::disk));
    }
    EXPECT_EQ(world.backend.pending_count(), 0u) << "nothing reached the disk";

    auto read = world.start(DiskCommand::read, 0, 4096);
    world.tick();
    world.backend.finish(0);
    world.settle();
    EXPECT_TRUE(read->is_ok()) << "reading goes on";
    for (TestRequest* request : {write.get(), zero.get(), read.get()}) world.release(*request);
}

TEST(FlushGroup, FailedSyncIsADiskErrorThatKeepsTheSystemsReason) {
    for (const int reason : {ENOSPC, ENOTSUP, EINVAL}) {
        DiskWorld world(manual);
        auto flush = world.start(DiskCommand::flush, 0, 0);
        world.tick();
        world.backend.fail(0, reason);
        world.settle();
        ASSERT_TRUE(flush->failed_with(ErrorCode::disk)) << reason;
        EXPECT_EQ(flush->result->error().os_errno, reason);
    }
}

TEST(FlushGroup, WriteWhoseSyncFailedMeanwhileIsNotDurable) {
    DiskWorld world(manual);
    auto flush = world.start(DiskCommand::flush, 0, 0);
    auto write = world.write(0, 4096, mark, true);
    world.tick();
    ASSERT_EQ(world.backend.pending_count(), 2u);
    world.backend.fail(world.pending_index(OperationKind::sync), EIO);
    world.tick();
    world.backend.finish(0);
    world.settle();
    EXPECT_TRUE(flush->failed_with(ErrorCode::disk));
    EXPECT_TRUE(write->failed_with(ErrorCode::disk));
    world.release(*write);
}

TEST(FlushGroup, WriteThatWaitedForItsRangeMeetsTheFailedSync) {
    DiskWorld world(manual);
    auto holder = world.write(0, 4096, mark);
    auto waiter = world.write(0, 4096, mark);
    auto flush = world.start(DiskCommand::flush, 0, 0);
    world.tick();
    world.backend.fail(world.pending_index(OperationKind::sync), EIO);
    world.tick();
    world.backend.finish(0);
    world.settle();
    EXPECT_TRUE(holder->is_ok());
    EXPECT_TRUE(waiter->failed_with(ErrorCode::disk));
    EXPECT_EQ(world.backend.count(OperationKind::write), 1u);
    world.release(*holder);
    world.release(*waiter);
}

}  // namespace
}  // namespace blockd::storage
