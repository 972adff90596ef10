// What the disk workers do on macOS, against a recording fake of its system calls.
#include "io/disk_operation.h"

#include "io/fake_darwin/darwin.h"
#include "io/opened_data_file.h"

#include <blockd/io/data_file.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace blockd::io {
namespace {

using fake_darwin::Darwin;
using ::testing::ElementsAre;

class DarwinDiskOperation : public ::testing::Test {
  protected:
    DarwinDiskOperation() {
        darwin_.files["disk.img"] = {.size = uint64_t{16} << 30};
        file_ = file_of(open_data_file({.path = "disk.img"}));
        darwin_.calls.clear();
    }

    int64_t perform(OperationKind kind, uint64_t offset, uint64_t size) {
        Extent extents[2] = {};
        Operation operation;
        operation.kind = kind;
        operation.fd = file_.fd;
        operation.data = buffer_;
        operation.offset = offset;
        operation.size = size;
        operation.extents = extents;
        operation.extents_max = 2;
        const int64_t result = perform_disk_operation(operation);
        extent_ = extents[0];
        return result;
    }

    Darwin darwin_;
    DataFile file_;
    Extent extent_ = {};
    std::byte buffer_[1] = {};  // The fake moves no byte.
};

TEST_F(DarwinDiskOperation, NoCallMovesMoreThanIntMaxBytes) {
    EXPECT_EQ(perform(OperationKind::read, 0, 3'000'000'000), 3'000'000'000);
    EXPECT_EQ(perform(OperationKind::write, 4096, 2'147'483'648), 2'147'483'648);
    EXPECT_THAT(darwin_.calls, ElementsAre("pread 0 1073741824", "pread 1073741824 1073741824",
                                           "pread 2147483648 852516352", "pwrite 4096 1073741824",
                                           "pwrite 1073745920 1073741824"));
}

TEST_F(DarwinDiskOperation, ShortTransfersAndSignalsAreContinued) {
    darwin_.transfer_size_max = 3000;
    darwin_.fail("pwrite 3000", EINTR, 2);
    EXPECT_EQ(perform(OperationKind::write, 0, 8192), 8192);
    EXPECT_THAT(darwin_.calls, ElementsAre("pwrite 0 8192", "pwrite 3000 5192", "pwrite 3000 5192",
                                           "pwrite 3000 5192", "pwrite 6000 2192"));
    EXPECT_EQ(perform(OperationKind::read, 0, 8192), 8192);
}

TEST_F(DarwinDiskOperation, AWriteThatMovesNothingIsAnError) {
    darwin_.transfer_size_max = 0;
    EXPECT_EQ(perform(OperationKind::write, 0, 4096), -EIO);
    EXPECT_THAT(darwin_.calls, ElementsAre("pwrite 0 4096"));
}

TEST_F(DarwinDiskOperation, ErrorsComeBackAsNegatedErrnos) {
    darwin_.fail("pread", EIO);
    darwin_.fail("pwrite 4096", ENOSPC);
    darwin_.transfer_size_max = 4096;
    EXPECT_EQ(perform(OperationKind::read, 0, 4096), -EIO);
    EXPECT_EQ(perform(OperationKind::write, 0, 8192), -ENOSPC);
}

TEST_F(DarwinDiskOperation, HolesArePunchedZeroingIsUnknownAndEverythingCountsAsData) {
    EXPECT_EQ(perform(OperationKind::punch_hole, 8192, 4096), 0);
    EXPECT_THAT(darwin_.calls, ElementsAre("F_PUNCHHOLE 8192 4096"));
    EXPECT_EQ(perform(OperationKind::punch_hole, 512, 4096), -EINVAL);
    EXPECT_EQ(perform(OperationKind::zero_range, 0, 4096), -ENOTSUP);
    EXPECT_EQ(perform(OperationKind::extents, 4096, 1 << 20), 1);
    EXPECT_EQ(extent_.size, uint64_t{1} << 20);
    EXPECT_FALSE(extent_.is_hole);
}

TEST_F(DarwinDiskOperation, ASyncTakesTheDurabilityThatWasFoundWhenTheFileWasOpened) {
    Operation operation;
    operation.kind = OperationKind::sync;
    operation.fd = file_.fd;
    operation.durability = Durability::full;
    EXPECT_EQ(perform_disk_operation(operation), 0);
    operation.durability = Durability::weak;
    EXPECT_EQ(perform_disk_operation(operation), 0);
    EXPECT_THAT(darwin_.calls, ElementsAre("F_FULLFSYNC disk.img", "fsync disk.img"));
}

TEST_F(DarwinDiskOperation, FilesAreOpenedCloseOnExecAndClosedOnce) {
    Operation operation;
    operation.kind = OperationKind::open;
    operation.path = "disk.img";
    const int64_t fd = perform_disk_operation(operation);
    ASSERT_GE(fd, 0);
    operation.kind = OperationKind::close;
    operation.fd = Fd{static_cast<int32_t>(fd)};
    darwin_.fail("close", EINTR);
    EXPECT_EQ(perform_disk_operation(operation), 0);
    EXPECT_THAT(darwin_.calls, ElementsAre("open disk.img read", "close disk.img"));
}

}  // namespace
}  // namespace blockd::io
