// Makes data files as on macOS, against a recording fake of its system calls.
#include <blockd/io/data_file.h>

#include "io/fake_darwin/darwin.h"
#include "io/fake_darwin/disk_image.h"
#include "io/opened_data_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace blockd::io {
namespace {

using fake_darwin::add_disk;
using fake_darwin::Darwin;
using fake_darwin::disk_size;
using fake_darwin::expect_nothing_left_behind;
using fake_darwin::to_format;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

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

TEST(DarwinFormat, WhatAFailedAttemptReservedCountsAsFree) {
    Darwin darwin;
    darwin.free_size = 40960;
    darwin.kept_size = 8192;
    darwin.fail("F_PREALLOCATE", ENOSPC, 2);
    EXPECT_THAT(failure_of(open_data_file(to_format())).message,
                HasSubstr("40960 are free, 1007616 are missing"));
    EXPECT_EQ(darwin.free_size, 40960u);
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

}  // namespace
}  // namespace blockd::io
