// Runs what blockd does on macOS against a recording fake of its system calls.
#include <blockd/io/data_file.h>

#include "io/fake_darwin/darwin.h"
#include "io/fake_darwin/disk_image.h"
#include "io/opened_data_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace blockd::io {
namespace {

using fake_darwin::add_disk;
using fake_darwin::Darwin;
using fake_darwin::disk_size;
using fake_darwin::expect_nothing_left_behind;
using fake_darwin::File;
using fake_darwin::to_format;
using fake_darwin::to_open;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DarwinOpen, LocksBeforeItLooksAndSyncsBeforeItServes) {
    Darwin darwin;
    add_disk(darwin);
    const DataFile file = file_of(open_data_file(to_open()));
    EXPECT_THAT(darwin.calls,
                ElementsAre("stat disk.img", "open disk.img read-write", "flock exclusive",
                            "fstat disk.img", "stat disk.img", "fstat disk.img", "F_NOCACHE 1",
                            "F_RDAHEAD 0", "F_FULLFSYNC disk.img", "open . read directory",
                            "F_FULLFSYNC .", "close .", "fstatfs disk.img", "F_PUNCHHOLE 0 0"));
    EXPECT_EQ(file.size, disk_size);
    EXPECT_TRUE(file.is_name_synced);
}

TEST(DarwinOpen, ADirectoryThatMayNotOrCannotBeSyncedIsSaidSo) {
    struct Refusal {
        const char* call;
        int error;
    };
    for (const Refusal& refusal :
         {Refusal{"open . ", EACCES}, Refusal{"open . ", EPERM}, Refusal{"F_FULLFSYNC .", EINVAL},
          Refusal{"F_FULLFSYNC .", ENOTSUP}}) {
        Darwin darwin;
        add_disk(darwin);
        darwin.fail(refusal.call, refusal.error);
        EXPECT_FALSE(file_of(open_data_file(to_open())).is_name_synced) << refusal.error;
    }
}

TEST(DarwinOpen, AFailedSyncOfTheDirectoryFailsIt) {
    for (const char* step : {"open . ", "F_FULLFSYNC ."}) {
        Darwin darwin;
        add_disk(darwin);
        darwin.fail(step, EIO);
        const DataFileFailure failure = failure_of(open_data_file(to_open()));
        EXPECT_EQ(failure.error.code, ErrorCode::disk);
        EXPECT_THAT(failure.message, HasSubstr("the sync of its directory failed"));
        EXPECT_THAT(darwin.calls_named("unlink"), IsEmpty());
    }
}

TEST(DarwinOpen, AReaderSyncsNoDirectory) {
    Darwin darwin;
    add_disk(darwin);
    DataFileOptions options = to_open();
    options.is_read_only = true;
    EXPECT_TRUE(file_of(open_data_file(options)).is_name_synced);
    EXPECT_THAT(darwin.calls_named("open . "), IsEmpty());
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

TEST(DarwinOpen, AFileSystemWithoutLocksIsNotSupported) {
    for (const int error : {ENOLCK, ENOTSUP, EOPNOTSUPP}) {
        Darwin darwin;
        add_disk(darwin);
        darwin.fail("flock", error);
        const DataFileFailure failure = failure_of(open_data_file(to_open()));
        EXPECT_EQ(failure.error.code, ErrorCode::not_supported) << error;
        EXPECT_THAT(failure.message, HasSubstr("its file system must support flock"));
    }
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

TEST(DarwinOpen, ABlockThatStorageCannotWorkWithTurnsPunchingOff) {
    for (const uint32_t block_size : {0u, 3u << 12, data_file_hole_alignment_max * 4}) {
        Darwin darwin;
        add_disk(darwin);
        darwin.block_size = block_size;
        const DataFile file = file_of(open_data_file(to_open()));
        EXPECT_FALSE(file.can_punch_hole) << block_size;
        EXPECT_EQ(file.hole_alignment, 1u) << block_size;
    }
    Darwin darwin;
    add_disk(darwin);
    darwin.block_size = data_file_hole_alignment_max;
    const DataFile file = file_of(open_data_file(to_open()));
    EXPECT_TRUE(file.can_punch_hole);
    EXPECT_EQ(file.hole_alignment, data_file_hole_alignment_max);
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
    EXPECT_THAT(darwin.calls_named("fsync"), ElementsAre("fsync .disk.img.making", "fsync ."));
}

TEST_P(DarwinFullSyncUnknown, IsNoHarmToAFileThatIsOnlyRead) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_FULLFSYNC", GetParam());
    DataFileOptions options = to_open();
    options.is_read_only = true;
    EXPECT_EQ(file_of(open_data_file(options)).durability, Durability::weak);
}

TEST_P(DarwinFullSyncUnknown, NorIsItAnyHarmThatAFileThatIsOnlyReadKnowsNoSyncAtAll) {
    Darwin darwin;
    add_disk(darwin);
    darwin.fail("F_FULLFSYNC", GetParam());
    darwin.fail("fsync", EINVAL);
    DataFileOptions options = to_open();
    options.is_read_only = true;
    const DataFile file = file_of(open_data_file(options));
    EXPECT_EQ(file.durability, Durability::none);
    darwin.calls.clear();
    EXPECT_TRUE(fs_sync(file));
    EXPECT_THAT(darwin.calls, IsEmpty());
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

}  // namespace
}  // namespace blockd::io
