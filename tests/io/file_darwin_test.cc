// Runs what blockd does on macOS against a recording fake of its system calls.
#include <blockd/io/data_file.h>

#include "io/disk_operation.h"
#include "io/fake_darwin/darwin.h"
#include "io/opened_data_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace blockd::io {
namespace {

using fake_darwin::Darwin;
using fake_darwin::File;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t disk_size = 1048576;

DataFileOptions to_format() {
    return {.path = "disk.img", .purpose = DataFilePurpose::format, .size = disk_size};
}

DataFileOptions to_open() { return {.path = "disk.img", .purpose = DataFilePurpose::open}; }

void add_disk(Darwin& darwin) {
    darwin.files["disk.img"] = {.size = disk_size, .reserved_size = disk_size};
}

void expect_nothing_left_behind(const Darwin& darwin) {
    EXPECT_EQ(darwin.files.count("disk.img"), 0u);
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST(DarwinFormat, ReservesThenResizesThenSyncsTheFileThenItsDirectory) {
    Darwin darwin;
    const DataFile file = file_of(open_data_file(to_format()));
    EXPECT_THAT(
        darwin.calls,
        ElementsAre("open disk.img read-write create exclusive", "flock exclusive",
                    "fstat disk.img", "stat disk.img", "F_PREALLOCATE contiguous all 1048576",
                    "ftruncate 1048576", "fstat disk.img", "F_NOCACHE 1", "F_RDAHEAD 0",
                    "F_FULLFSYNC disk.img", "open . read directory", "F_FULLFSYNC .", "close .",
                    "fstatfs disk.img", "F_PUNCHHOLE 0 0"));
    EXPECT_EQ(darwin.files["disk.img"].reserved_size, disk_size);
    EXPECT_EQ(file.size, disk_size);
    EXPECT_EQ(file.caching, Caching::uncached);
    EXPECT_EQ(file.durability, Durability::full);
    EXPECT_TRUE(file.can_punch_hole);
    EXPECT_EQ(file.hole_alignment, 4096u);
    EXPECT_FALSE(file.can_zero_range);
    EXPECT_FALSE(file.can_report_extents);
}

TEST(DarwinFormat, ReservesScatteredBlocksWhereThereIsNoContiguousRun) {
    Darwin darwin;
    darwin.fail("F_PREALLOCATE contiguous", ENOSPC);
    file_of(open_data_file(to_format()));
    EXPECT_THAT(
        darwin.calls_named("F_PREALLOCATE"),
        ElementsAre("F_PREALLOCATE contiguous all 1048576", "F_PREALLOCATE any all 1048576"));
    EXPECT_EQ(darwin.files["disk.img"].reserved_size, disk_size);
}

TEST(DarwinFormat, AsksForTheRestWhenLessWasReservedThanAskedFor) {
    Darwin darwin;
    darwin.reserve_sizes = {4096};
    file_of(open_data_file(to_format()));
    EXPECT_THAT(
        darwin.calls_named("F_PREALLOCATE"),
        ElementsAre("F_PREALLOCATE contiguous all 1048576", "F_PREALLOCATE any all 1044480"));
    EXPECT_EQ(darwin.files["disk.img"].reserved_size, disk_size);
}

TEST(DarwinFormat, FailsWhenAPartIsAllThatCanBeReserved) {
    Darwin darwin;
    darwin.reserve_sizes = {4096, 8192};
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::no_space);
    expect_nothing_left_behind(darwin);
}

TEST(DarwinFormat, NoSpaceRemovesTheFileAndSaysHowMuchIsMissing) {
    Darwin darwin;
    darwin.free_size = 40960;
    darwin.fail("F_PREALLOCATE", ENOSPC, 2);
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::no_space);
    EXPECT_EQ(failure.error.os_errno, ENOSPC);
    EXPECT_EQ(failure.message,
              "cannot make disk.img: No space left on device; 1048576 bytes are needed, 40960 are "
              "free, 1007616 are missing");
    expect_nothing_left_behind(darwin);
}

TEST(DarwinFormat, AFileSystemThatCannotReserveIsRefusedUnlessNothingIsToBeReserved) {
    Darwin darwin;
    darwin.fail("F_PREALLOCATE", ENOTSUP, 2);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::not_supported);
    expect_nothing_left_behind(darwin);

    DataFileOptions sparse = to_format();
    sparse.preallocate = false;
    darwin.calls.clear();
    file_of(open_data_file(sparse));
    EXPECT_THAT(darwin.calls_named("F_PREALLOCATE"), IsEmpty());
    EXPECT_EQ(darwin.files["disk.img"].size, disk_size);
    EXPECT_EQ(darwin.files["disk.img"].reserved_size, 0u);
}

TEST(DarwinFormat, AnExistingFileIsRefusedAndKept) {
    Darwin darwin;
    add_disk(darwin);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::exists);
    EXPECT_EQ(darwin.files.count("disk.img"), 1u);
    EXPECT_THAT(darwin.calls_named("unlink"), IsEmpty());
}

TEST(DarwinFormat, AnyFailureAfterCreationRemovesTheFile) {
    for (const char* step :
         {"flock", "ftruncate", "fstat", "F_FULLFSYNC disk.img", "open .", "F_FULLFSYNC ."}) {
        Darwin darwin;
        darwin.fail(step, EIO);
        const DataFileFailure failure = failure_of(open_data_file(to_format()));
        EXPECT_EQ(failure.error.code, ErrorCode::disk) << step;
        EXPECT_THAT(failure.message, HasSubstr("cannot make disk.img: ")) << step;
        expect_nothing_left_behind(darwin);
    }
}

TEST(DarwinOpen, LocksBeforeItLooksAndSyncsBeforeItServes) {
    Darwin darwin;
    add_disk(darwin);
    const DataFile file = file_of(open_data_file(to_open()));
    EXPECT_THAT(
        darwin.calls,
        ElementsAre("stat disk.img", "open disk.img read-write", "flock exclusive",
                    "fstat disk.img", "stat disk.img", "fstat disk.img", "F_NOCACHE 1",
                    "F_RDAHEAD 0", "F_FULLFSYNC disk.img", "fstatfs disk.img", "F_PUNCHHOLE 0 0"));
    EXPECT_EQ(file.size, disk_size);
}

TEST(DarwinOpen, AFileSmallerThanConfiguredIsRefusedAndNeverResized) {
    Darwin darwin;
    add_disk(darwin);
    DataFileOptions options = to_open();
    options.size = disk_size + 4096;
    const DataFileFailure failure = failure_of(open_data_file(options));
    EXPECT_EQ(failure.error.code, ErrorCode::too_large);
    EXPECT_EQ(failure.message,
              "cannot open disk.img: it is 1048576 bytes long, 1052672 are configured; lower the "
              "configured size, or grow the file");
    EXPECT_THAT(darwin.calls_named("ftruncate"), IsEmpty());
    EXPECT_THAT(darwin.calls_named("unlink"), IsEmpty());
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST(DarwinOpen, ALockHeldByAnotherIsBusyAndTheFileIsLeftAlone) {
    Darwin darwin;
    add_disk(darwin);
    darwin.files["disk.img"].is_written_elsewhere = true;
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
    EXPECT_THAT(failure.message, HasSubstr("cannot open disk.img: another process"));
    EXPECT_THAT(darwin.calls_named("F_"), IsEmpty());
    EXPECT_THAT(darwin.calls_named("ftruncate"), IsEmpty());
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST(DarwinOpen, ALockThatIsGivenUpInAMomentIsWaitedFor) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("flock exclusive", EWOULDBLOCK, 2);
    file_of(open_data_file(to_open()));
    EXPECT_EQ(darwin.calls_named("flock exclusive").size(), 3u);
}

// The lock is free: nothing but the name tells.
TEST(DarwinOpen, AFileThatWasReplacedBeforeItWasLockedIsRefused) {
    Darwin darwin;
    add_disk(darwin);
    darwin.before("flock", [&] { add_disk(darwin); });
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
    EXPECT_THAT(failure.message, HasSubstr("it was replaced"));
    EXPECT_THAT(darwin.calls_named("F_"), IsEmpty());
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST(DarwinOpen, PunchingIsOffWhereTheFileSystemDoesNotKnowIt) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_PUNCHHOLE", ENOTSUP);
    EXPECT_FALSE(file_of(open_data_file(to_open())).can_punch_hole);
}

TEST(DarwinOpen, AFileThatCannotAvoidTheCacheSaysSo) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_NOCACHE", EBADF);
    EXPECT_EQ(file_of(open_data_file(to_open())).caching, Caching::cached);

    DataFileOptions options = to_open();
    options.direct = false;
    darwin.calls.clear();
    EXPECT_EQ(file_of(open_data_file(options)).caching, Caching::cached);
    EXPECT_THAT(darwin.calls_named("F_NOCACHE"), IsEmpty());
}

TEST(DarwinOpen, WhatIsNoRegularFileIsNeverOpened) {
    for (const File::Kind kind :
         {File::Kind::directory, File::Kind::block_device, File::Kind::pipe}) {
        Darwin darwin;
        darwin.files["disk.img"] = {.kind = kind};
        EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::invalid);
        EXPECT_THAT(darwin.calls, ElementsAre("stat disk.img"));
    }
}

TEST(DarwinInspect, ReadsBesideAnOwnerWithoutKeepingALockOrSyncing) {
    Darwin darwin;
    add_disk(darwin);
    darwin.files["disk.img"].is_written_elsewhere = true;
    DataFileOptions options = to_open();
    options.purpose = DataFilePurpose::inspect;
    const DataFile file = file_of(open_data_file(options));
    EXPECT_TRUE(file.is_owned_elsewhere);
    EXPECT_TRUE(file.is_read_only);
    EXPECT_THAT(darwin.calls,
                ElementsAre("stat disk.img", "open disk.img read", "flock shared", "flock unlock",
                            "fstat disk.img", "F_NOCACHE 1", "F_RDAHEAD 0"));
}

class DarwinFullSyncUnknown : public ::testing::TestWithParam<int> {};

TEST_P(DarwinFullSyncUnknown, IsRefusedUnlessTheConfigAllowsWeakSyncs) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_FULLFSYNC", GetParam());
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::not_supported);
    EXPECT_EQ(failure.error.os_errno, GetParam());
    EXPECT_THAT(failure.message, HasSubstr("\"allow_weak_sync\": true"));
    EXPECT_THAT(darwin.calls_named("fsync"), IsEmpty());
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST_P(DarwinFullSyncUnknown, IsWeakForGoodWhereTheConfigAllowsIt) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_FULLFSYNC", GetParam(), 1000);
    DataFileOptions options = to_open();
    options.allow_weak_sync = true;
    const DataFile file = file_of(open_data_file(options));
    EXPECT_EQ(file.durability, Durability::weak);
    darwin.calls.clear();
    EXPECT_TRUE(fs_sync(file));
    EXPECT_THAT(darwin.calls, ElementsAre("fsync disk.img"));
}

TEST_P(DarwinFullSyncUnknown, RemovesANewFileUnlessTheConfigAllowsWeakSyncs) {
    Darwin darwin;
    darwin.fail("F_FULLFSYNC", GetParam(), 1000);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::not_supported);
    expect_nothing_left_behind(darwin);

    DataFileOptions options = to_format();
    options.allow_weak_sync = true;
    EXPECT_EQ(file_of(open_data_file(options)).durability, Durability::weak);
    EXPECT_THAT(darwin.calls_named("fsync"), ElementsAre("fsync disk.img", "fsync ."));
}

TEST_P(DarwinFullSyncUnknown, IsNoHarmToAFileThatIsOnlyRead) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_FULLFSYNC", GetParam());
    DataFileOptions options = to_open();
    options.is_read_only = true;
    EXPECT_EQ(file_of(open_data_file(options)).durability, Durability::weak);
}

INSTANTIATE_TEST_SUITE_P(Errnos, DarwinFullSyncUnknown, ::testing::Values(ENOTSUP, ENOTTY, EINVAL));

TEST(DarwinSync, AFailureOfAFullSyncThatIsKnownIsNeverWeakened) {
    for (const int error : {EIO, ENOSPC, EBADF, EROFS}) {
        Darwin darwin;
        add_disk(darwin);
        darwin.fail("F_FULLFSYNC", error);
        DataFileOptions options = to_open();
        options.allow_weak_sync = true;
        EXPECT_EQ(failure_of(open_data_file(options)).error.os_errno, error);
        EXPECT_THAT(darwin.calls_named("fsync"), IsEmpty());
        EXPECT_EQ(darwin.calls_named("F_FULLFSYNC").size(), 1u);
    }
}

TEST(DarwinSync, NoFailureOfALaterFullSyncIsWeakened) {
    Darwin darwin;
    add_disk(darwin);
    DataFileOptions options = to_open();
    options.allow_weak_sync = true;
    const DataFile file = file_of(open_data_file(options));
    for (const int error : {EIO, ENOTSUP, ENOTTY, EINVAL}) {
        darwin.fail("F_FULLFSYNC", error);
        darwin.calls.clear();
        EXPECT_EQ(fs_sync(file).error().os_errno, error);
        EXPECT_THAT(darwin.calls, ElementsAre("F_FULLFSYNC disk.img"));
    }
}

TEST(DarwinSync, ClosingSyncsUnlocksAndCloses) {
    Darwin darwin;
    add_disk(darwin);
    DataFile file = file_of(open_data_file(to_open()));
    darwin.calls.clear();
    close_data_file(file);
    EXPECT_THAT(darwin.calls,
                ElementsAre("F_FULLFSYNC disk.img", "flock unlock", "close disk.img"));
    EXPECT_EQ(file.fd, Fd::none);
}

TEST(DarwinSignals, EveryInterruptedCallOfFormattingIsRepeated) {
    Darwin undisturbed;
    file_of(open_data_file(to_format()));
    for (const std::string& call : undisturbed.calls) {
        if (call.starts_with("close")) {  // Closed all the same: see close_file().
            continue;
        }
        Darwin darwin;
        darwin.fail(call, EINTR, 3);
        const DataFile file = file_of(open_data_file(to_format()));
        EXPECT_EQ(darwin.calls_named(call).size(), undisturbed.calls_named(call).size() + 3)
            << call;
        EXPECT_EQ(darwin.calls.size(), undisturbed.calls.size() + 3) << call;
        EXPECT_EQ(file.durability, Durability::full) << call;
    }
}

class DarwinDiskOperation : public ::testing::Test {
  protected:
    DarwinDiskOperation() {
        darwin_.files["disk.img"] = {.size = uint64_t{16} << 30};
        file_ = file_of(open_data_file(to_open()));
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
