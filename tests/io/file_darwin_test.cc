// Runs what blockd does on macOS against a recording fake of its system calls.
#include <blockd/io/data_file.h>

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
using ::testing::Key;

constexpr uint64_t disk_size = 1048576;

DataFileOptions to_format() {
    return {.path = "disk.img", .purpose = DataFilePurpose::format, .size = disk_size};
}

DataFileOptions to_open() { return {.path = "disk.img", .purpose = DataFilePurpose::open}; }

void add_disk(Darwin& darwin) {
    darwin.files["disk.img"] = {.size = disk_size, .reserved_size = disk_size};
}

void expect_nothing_left_behind(const Darwin& darwin) {
    EXPECT_THAT(darwin.files, ElementsAre(Key(".")));
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

TEST(DarwinFormat, CompletesTheFileAndSyncsItBeforeItGetsItsName) {
    Darwin darwin;
    const DataFile file = file_of(open_data_file(to_format()));
    EXPECT_THAT(darwin.calls,
                ElementsAre("lstat disk.img", "lstat .disk.img.making",
                            "open .disk.img.making read-write create exclusive", "flock exclusive",
                            "fstat .disk.img.making", "stat .disk.img.making",
                            "F_PREALLOCATE contiguous all 1048576", "ftruncate 1048576",
                            "fstat .disk.img.making", "F_NOCACHE 1", "F_RDAHEAD 0",
                            "F_FULLFSYNC .disk.img.making",
                            "rename .disk.img.making disk.img exclusive", "open . read directory",
                            "F_FULLFSYNC .", "close .", "fstatfs disk.img", "F_PUNCHHOLE 0 0"));
    EXPECT_EQ(darwin.files.count(".disk.img.making"), 0u);
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

TEST(DarwinFormat, ANameThatIsTakenMeanwhileIsRefusedAndItsFileKept) {
    Darwin darwin;
    darwin.before("rename", [&] { add_disk(darwin); });
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::exists);
    EXPECT_THAT(darwin.files, ElementsAre(Key("."), Key("disk.img")));
    EXPECT_THAT(darwin.calls_named("unlink"), ElementsAre("unlink .disk.img.making"));
}

TEST(DarwinFormat, AFileSystemWithoutExclusiveRenamesLinksTheName) {
    Darwin darwin;
    darwin.fail("rename", ENOTSUP);
    file_of(open_data_file(to_format()));
    EXPECT_THAT(darwin.calls_named("link"), ElementsAre("link .disk.img.making disk.img"));
    EXPECT_THAT(darwin.files, ElementsAre(Key("."), Key("disk.img")));

    Darwin without;
    without.fail("rename", ENOTSUP);
    without.fail("link", ENOTSUP);
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::not_supported);
    EXPECT_THAT(failure.message, HasSubstr("cannot be given its name"));
    expect_nothing_left_behind(without);
}

TEST(DarwinFormat, WhatAKilledStartLeftIsMadeAnew) {
    Darwin darwin;
    darwin.files[".disk.img.making"] = {.size = 512, .reserved_size = 4096};
    file_of(open_data_file(to_format()));
    EXPECT_THAT(darwin.calls_named("open .disk.img.making"),
                ElementsAre("open .disk.img.making read-write no-link no-wait",
                            "open .disk.img.making read-write create exclusive"));
    EXPECT_THAT(darwin.files, ElementsAre(Key("."), Key("disk.img")));
    EXPECT_EQ(darwin.files["disk.img"].reserved_size, disk_size);
}

TEST(DarwinFormat, WhatAnotherStartIsMakingIsLeftAlone) {
    Darwin darwin;
    darwin.files[".disk.img.making"] = {.size = 512, .is_written_elsewhere = true};
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
    EXPECT_THAT(failure.message, HasSubstr("another process is making it"));
    EXPECT_THAT(darwin.files, ElementsAre(Key("."), Key(".disk.img.making")));
    EXPECT_THAT(darwin.open_files, IsEmpty());
}

// It got its name, and another start began, between our look and our lock.
TEST(DarwinFormat, NoLeftoverIsRemovedThatHasGoneAlready) {
    Darwin darwin;
    darwin.files[".disk.img.making"] = {.size = 512};
    darwin.before("flock", [&] {
        darwin.files[".disk.img.making"] = {.is_written_elsewhere = true};
        darwin.open_files.begin()->second.path = "nameless";
    });
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::busy);
    EXPECT_THAT(darwin.calls_named("unlink"), IsEmpty());
}

TEST(DarwinFormat, AnyFailureAfterCreationRemovesTheFile) {
    for (const char* step :
         {"flock", "fstat", "F_PREALLOCATE", "ftruncate", "F_FULLFSYNC .disk.img.making", "rename",
          "open . ", "F_FULLFSYNC ."}) {
        Darwin darwin;
        darwin.fail(step, EIO, std::string(step) == "F_PREALLOCATE" ? 2 : 1);
        const DataFileFailure failure = failure_of(open_data_file(to_format()));
        EXPECT_EQ(failure.error.code, ErrorCode::disk) << step;
        EXPECT_THAT(failure.message, HasSubstr("cannot make disk.img: ")) << step;
        expect_nothing_left_behind(darwin);
    }
}

TEST(DarwinFormat, AFailureRemovesNoFileThatIsSomebodyElses) {
    Darwin replaced_early;
    replaced_early.before("flock", [&] { replaced_early.files[".disk.img.making"] = {.size = 1}; });
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::busy);
    EXPECT_THAT(replaced_early.calls_named("unlink"), IsEmpty());

    Darwin lock_lost;
    lock_lost.fail("flock", EWOULDBLOCK, 100);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::busy);
    EXPECT_THAT(lock_lost.calls_named("unlink"), IsEmpty());

    Darwin replaced_late;
    replaced_late.before("open . ", [&] { add_disk(replaced_late); });
    replaced_late.fail("open . ", EIO);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::disk);
    EXPECT_THAT(replaced_late.calls_named("unlink"), IsEmpty());
}

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
