#include <blockd/io/data_file.h>

#include "io/forked_process.h"
#include "io/opened_data_file.h"
#include "support/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <variant>

namespace blockd::io {
namespace {

using support::allocated_bytes;
using support::file_size;
using support::make_sparse_file;
using support::pattern;
using support::read_file;
using support::TemporaryDirectory;
using support::write_file;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t disk_size = 1048576;

class DataFileTest : public ::testing::Test {
  protected:
    DataFileOptions to_format() const {
        return {.path = path_,
                .purpose = DataFilePurpose::format,
                .size = disk_size,
                .allow_weak_sync = true};  // For Macs whose temporary files are not on APFS.
    }

    DataFileOptions to_open() const {
        return {.path = path_, .purpose = DataFilePurpose::open, .allow_weak_sync = true};
    }

    DataFileOptions to_inspect() const {
        return {.path = path_, .purpose = DataFilePurpose::inspect};
    }

    bool is_there() const { return access(path_.c_str(), F_OK) == 0; }

    TemporaryDirectory directory_;
    std::string path_ = directory_.file("disk.img");
};

using DataFileFormat = DataFileTest;
using DataFileOpen = DataFileTest;
using DataFileInspect = DataFileTest;
using DataFileLock = DataFileTest;

TEST_F(DataFileFormat, MakesAFileOfThatSizeWithEveryBlockReserved) {
    const ScopedDataFile file(to_format());
    EXPECT_EQ(file->size, disk_size);
    EXPECT_FALSE(file->is_read_only);
    EXPECT_EQ(file_size(path_), disk_size);
    EXPECT_GE(allocated_bytes(path_), disk_size);
    EXPECT_EQ(read_file(path_), std::string(disk_size, '\0'));
}

TEST_F(DataFileFormat, ReservesNothingWhenToldSo) {
    DataFileOptions options = to_format();
    options.preallocate = false;
    const ScopedDataFile file(options);
    EXPECT_EQ(file_size(path_), disk_size);
    EXPECT_LT(allocated_bytes(path_), disk_size);
}

TEST_F(DataFileFormat, IsNotReadableByOthers) {
    const ScopedDataFile file(to_format());
    struct stat status = {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_FALSE(status.st_mode & 07137);
}

TEST_F(DataFileFormat, NeverTouchesAnExistingFile) {
    write_file(path_, "precious");
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::exists);
    EXPECT_EQ(failure.message,
              "cannot make " + path_ + ": it exists already; open it as it is, or remove it first");
    EXPECT_EQ(read_file(path_), "precious");
}

TEST_F(DataFileFormat, FollowsNoSymbolicLink) {
    const std::string target = directory_.file("target");
    ASSERT_EQ(symlink(target.c_str(), path_.c_str()), 0);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.code, ErrorCode::exists);
    EXPECT_NE(access(target.c_str(), F_OK), 0);
}

TEST_F(DataFileFormat, WhatAKilledStartLeftIsInNobodysWay) {
    const std::string leftover = directory_.file(".disk.img.making");
    write_file(leftover, "half");
    EXPECT_EQ(ScopedDataFile(to_format())->size, disk_size);
    EXPECT_NE(access(leftover.c_str(), F_OK), 0);
}

TEST_F(DataFileFormat, WhatAnotherProcessIsMakingIsLeftToIt) {
    const std::string made = directory_.file(".disk.img.making");
    make_sparse_file(made, disk_size);
    DataFileOptions options = to_open();
    options.path = made;
    ForeignOwner maker(options);
    ASSERT_TRUE(maker.is_owner());
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
    EXPECT_EQ(failure.message, "cannot make " + path_ + ": another process is making it");
    EXPECT_EQ(access(made.c_str(), F_OK), 0);
}

TEST_F(DataFileFormat, FollowsNoLinkThatLiesWhereTheFileIsMade) {
    const std::string target = directory_.file("target");
    write_file(target, "precious");
    ASSERT_EQ(symlink(target.c_str(), directory_.file(".disk.img.making").c_str()), 0);
    EXPECT_EQ(failure_of(open_data_file(to_format())).error.os_errno, ELOOP);
    EXPECT_EQ(read_file(target), "precious");
}

TEST_F(DataFileFormat, MakesFilesWhoseNameIsAsLongAsNamesMayBe) {
    path_ = directory_.file(std::string(255, 'x'));
    EXPECT_EQ(ScopedDataFile(to_format())->size, disk_size);
    EXPECT_TRUE(is_there());
}

// Goal: a start that is killed leaves the whole file or none, and hinders no later start.
// Method: 40 starts, each killed 100 us later in its life than the one before.
TEST_F(DataFileFormat, AKilledStartLeavesTheWholeFileOrNone) {
    for (int round = 0; round < 40; ++round) {
        const pid_t process = fork();
        ASSERT_GE(process, 0);
        if (process == 0) {
            (void)open_data_file(to_format());
            _exit(0);
        }
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100 * round);
        while (std::chrono::steady_clock::now() < end) {
        }
        ASSERT_EQ(kill(process, SIGKILL), 0);
        ASSERT_EQ(waitpid(process, nullptr, 0), process);
        if (is_there()) {
            EXPECT_EQ(ScopedDataFile(to_open())->size, disk_size) << "round " << round;
        } else {
            EXPECT_EQ(ScopedDataFile(to_format())->size, disk_size) << "round " << round;
        }
        ASSERT_EQ(unlink(path_.c_str()), 0);
    }
}

TEST_F(DataFileFormat, NeedsItsDirectory) {
    path_ = directory_.file("missing/disk.img");
    const DataFileFailure failure = failure_of(open_data_file(to_format()));
    EXPECT_EQ(failure.error.code, ErrorCode::not_found);
    EXPECT_THAT(failure.message, HasSubstr("its directory must exist"));
}

TEST_F(DataFileFormat, RefusesSizesThatNoFileHas) {
    DataFileOptions options = to_format();
    for (const uint64_t size : {uint64_t{0}, uint64_t{1} << 63, UINT64_MAX}) {
        options.size = size;
        const DataFileFailure failure = failure_of(open_data_file(options));
        EXPECT_EQ(failure.error.code, ErrorCode::invalid);
        EXPECT_THAT(failure.message, HasSubstr("not " + std::to_string(size)));
        EXPECT_FALSE(is_there());
    }
}

TEST_F(DataFileFormat, MoreThanTheDiskHoldsLeavesNothingBehindAndSaysWhatIsMissing) {
    DataFileOptions options = to_format();
    options.size = uint64_t{1} << 60;
    const DataFileFailure failure = failure_of(open_data_file(options));
    EXPECT_EQ(failure.error.code, ErrorCode::no_space);
    EXPECT_THAT(failure.message, StartsWith("cannot make " + path_ + ": "));
    EXPECT_THAT(failure.message, HasSubstr("1152921504606846976 bytes are needed, "));
    EXPECT_THAT(failure.message, HasSubstr(" are missing"));
    EXPECT_FALSE(is_there());
}

TEST_F(DataFileFormat, NeedsTheRightToWriteToTheDirectory) {
    ASSERT_EQ(chmod(directory_.path().c_str(), 0555), 0);
    const DataFileFailure failure = failure_of(open_without_privileges(to_format()));
    ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
    EXPECT_EQ(failure.error.code, ErrorCode::permission);
    EXPECT_THAT(failure.message, HasSubstr("must be allowed to write to its directory"));
}

TEST_F(DataFileOpen, TakesTheFilesOwnSizeUnlessOneIsConfigured) {
    make_sparse_file(path_, disk_size);
    DataFileOptions options = to_open();
    EXPECT_EQ(ScopedDataFile(options)->size, disk_size);
    options.size = disk_size / 2;
    EXPECT_EQ(ScopedDataFile(options)->size, disk_size / 2);
    EXPECT_EQ(file_size(path_), disk_size);
}

TEST_F(DataFileOpen, RefusesAFileSmallerThanConfiguredAndNeverResizesIt) {
    make_sparse_file(path_, 512);
    DataFileOptions options = to_open();
    options.size = 1024;
    const DataFileFailure failure = failure_of(open_data_file(options));
    EXPECT_EQ(failure.error.code, ErrorCode::too_large);
    EXPECT_EQ(failure.message, "cannot open " + path_ +
                                   ": it is 512 bytes long, 1024 are configured; lower the "
                                   "configured size, or grow the file");
    EXPECT_EQ(file_size(path_), 512u);
}

TEST_F(DataFileOpen, RefusesAnEmptyFile) {
    make_sparse_file(path_, 0);
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::invalid);
    EXPECT_THAT(failure.message, HasSubstr("it is empty"));
}

TEST_F(DataFileOpen, SaysWhatIsNotThere) {
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::not_found);
    EXPECT_EQ(failure.message, "cannot open " + path_ + ": No such file or directory");
}

TEST_F(DataFileOpen, NeverChangesAByteOrTheSizeOfAFile) {
    const std::string bytes = pattern(disk_size + 100, 1);
    write_file(path_, bytes);
    ScopedDataFile(to_open()).close();
    EXPECT_EQ(read_file(path_), bytes);
}

TEST_F(DataFileOpen, RefusesDirectories) {
    ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::invalid);
    EXPECT_EQ(failure.message, "cannot open " + path_ +
                                   ": it is a directory; only a regular file can be a data file");
}

TEST_F(DataFileOpen, RefusesPipesWithoutWaitingForTheOtherEnd) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0644), 0);
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::invalid);
    EXPECT_EQ(failure_of(open_data_file(to_inspect())).error.code, ErrorCode::invalid);
}

TEST_F(DataFileOpen, RefusesDevices) {
    path_ = "/dev/null";
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::invalid);
}

TEST_F(DataFileOpen, FollowsASymbolicLinkToARegularFileOnly) {
    const std::string target = directory_.file("target");
    ASSERT_EQ(symlink(target.c_str(), path_.c_str()), 0);
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::not_found);
    make_sparse_file(target, disk_size);
    EXPECT_EQ(ScopedDataFile(to_open())->size, disk_size);
    ASSERT_EQ(unlink(target.c_str()), 0);
    ASSERT_EQ(mkdir(target.c_str(), 0755), 0);
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::invalid);
}

TEST_F(DataFileOpen, GoesOnWhereItMayNotReadTheDirectory) {
    make_sparse_file(path_, disk_size);
    give_to_unprivileged(path_);
    ASSERT_EQ(chmod(directory_.path().c_str(), 0711), 0);
    EXPECT_TRUE(ScopedDataFile(to_open())->is_name_synced);
    if (geteuid() == 0) {
        EXPECT_FALSE(file_of(open_without_privileges(to_open())).is_name_synced);
    }
}

TEST_F(DataFileOpen, NeedsTheRightToReadAndWrite) {
    make_sparse_file(path_, disk_size);
    give_to_unprivileged(path_);
    ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
    ASSERT_EQ(chmod(path_.c_str(), 0400), 0);
    const DataFileFailure failure = failure_of(open_without_privileges(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::permission);
    EXPECT_THAT(failure.message, HasSubstr("must be allowed to read and write it"));

    DataFileOptions options = to_open();
    options.is_read_only = true;
    (void)file_of(open_without_privileges(options));
    ASSERT_EQ(chmod(path_.c_str(), 0), 0);
    const DataFileFailure unreadable = failure_of(open_without_privileges(options));
    EXPECT_EQ(unreadable.error.code, ErrorCode::permission);
    EXPECT_THAT(unreadable.message, HasSubstr("must be allowed to read it"));
}

TEST_F(DataFileOpen, GoesThroughTheCacheWhenToldSo) {
    make_sparse_file(path_, disk_size);
    DataFileOptions options = to_open();
    options.direct = false;
    const ScopedDataFile file(options);
    EXPECT_EQ(file->caching, Caching::cached);
    EXPECT_EQ(file->alignment, 1u);
}

TEST_F(DataFileInspect, ReadsBesideAnOwnerAndSaysSo) {
    make_sparse_file(path_, disk_size);
    EXPECT_FALSE(ScopedDataFile(to_inspect())->is_owned_elsewhere);
    ForeignOwner owner(to_open());
    ASSERT_TRUE(owner.is_owner());
    const ScopedDataFile file(to_inspect());
    EXPECT_TRUE(file->is_owned_elsewhere);
    EXPECT_TRUE(file->is_read_only);
    EXPECT_EQ(file->size, disk_size);
    EXPECT_FALSE(file->can_punch_hole);
    EXPECT_FALSE(file->can_zero_range);
}

TEST_F(DataFileInspect, NeverKeepsAnOwnerOut) {
    make_sparse_file(path_, disk_size);
    const ScopedDataFile inspected(to_inspect());
    ForeignOwner owner(to_open());
    EXPECT_TRUE(owner.is_owner());
}

TEST_F(DataFileLock, AnotherProcessKeepsEveryOwnerOutUntilItEnds) {
    ForeignOwner owner(to_format());
    ASSERT_TRUE(owner.is_owner());
    const DataFileFailure failure = failure_of(open_data_file(to_open()));
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
    EXPECT_EQ(failure.error.os_errno, EWOULDBLOCK);
    EXPECT_EQ(failure.message, "cannot open " + path_ +
                                   ": another process, or another export of this one, owns it; "
                                   "only one may write to it");
    DataFileOptions options = to_open();
    options.is_read_only = true;
    EXPECT_EQ(failure_of(open_data_file(options)).error.code, ErrorCode::busy);
    owner.release();
    EXPECT_EQ(ScopedDataFile(to_open())->size, disk_size);
}

TEST_F(DataFileLock, TwoExportsOfOneProcessCannotOwnOneFile) {
    ScopedDataFile first(to_format());
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::busy);
    first.close();
    EXPECT_EQ(ScopedDataFile(to_open())->size, disk_size);
}

TEST_F(DataFileLock, ReadersShareAndKeepAWriterOut) {
    make_sparse_file(path_, disk_size);
    DataFileOptions options = to_open();
    options.is_read_only = true;
    ForeignOwner reader(options);
    ASSERT_TRUE(reader.is_owner());
    EXPECT_TRUE(ScopedDataFile(options)->is_read_only);
    EXPECT_EQ(failure_of(open_data_file(to_open())).error.code, ErrorCode::busy);
}

bool is_file_of_path(Fd file, const std::string& path) {
    struct stat held = {};
    struct stat named = {};
    EXPECT_EQ(fstat(static_cast<int>(file), &held), 0);
    EXPECT_EQ(stat(path.c_str(), &named), 0);
    return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

// Goal: no file is served that lost its name, whenever its former owner replaced it and ended.
// Method: one owner after the other does just that, while the file is opened again and again.
TEST_F(DataFileLock, NoFileThatItsFormerOwnerReplacedIsServed) {
    make_sparse_file(path_, 4096);
    std::atomic<uint32_t> replaced_count = 0;
    std::atomic<bool> is_over = false;
    std::thread owners([&] {
        const std::string fresh = directory_.file("fresh");
        while (!is_over) {
            make_sparse_file(fresh, 4096);
            const int owned = open(path_.c_str(), O_RDWR | O_CLOEXEC);
            if (flock(owned, LOCK_EX | LOCK_NB) == 0) {
                EXPECT_EQ(rename(fresh.c_str(), path_.c_str()), 0);
                ++replaced_count;
            }
            close(owned);
        }
    });
    DataFileOptions options = to_open();
    options.is_read_only = true;  // Quick: nothing is probed.
    for (uint32_t opened_count = 0; opened_count < 500 || replaced_count < 500;) {
        OpenedDataFile opened = open_data_file(options);
        if (const auto* const failure = std::get_if<DataFileFailure>(&opened)) {
            EXPECT_EQ(failure->error.code, ErrorCode::busy) << failure->message;
            continue;
        }
        DataFile& file = std::get<DataFile>(opened);
        EXPECT_TRUE(is_file_of_path(file.fd, path_)) << "after " << opened_count;
        close_data_file(file);
        ++opened_count;
    }
    is_over = true;
    owners.join();
}

TEST_F(DataFileLock, IsOneForAllNamesOfTheFile) {
    const ScopedDataFile first(to_format());
    const std::string name = directory_.file("other name");
    ASSERT_EQ(link(path_.c_str(), name.c_str()), 0);
    DataFileOptions options = to_open();
    options.path = name;
    EXPECT_EQ(failure_of(open_data_file(options)).error.code, ErrorCode::busy);
}

TEST_F(DataFileTest, SyncsSucceedOnAnOpenFile) {
    const ScopedDataFile file(to_format());
    EXPECT_TRUE(fs_sync(*file));
}

TEST_F(DataFileTest, AFailedSyncNamesItsErrno) {
    DataFile gone;
    gone.fd = Fd{1'000'000};
    const Result<Ok> result = fs_sync(gone);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().os_errno, EBADF);
}

TEST_F(DataFileTest, ClosingForgetsTheFd) {
    DataFile file = file_of(open_data_file(to_format()));
    close_data_file(file);
    EXPECT_EQ(file.fd, Fd::none);
}

}  // namespace
}  // namespace blockd::io
