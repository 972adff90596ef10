// What only Linux can show: which file system can do what, and a disk that is really full.
#include "io/file.h"

#include "io/forked_process.h"
#include "io/opened_data_file.h"
#include "support/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

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

constexpr uint64_t disk_size = 1048576;

// A file system of its own, on a loop device or in memory; only root can have one.
class MountedFileSystem {
  public:
    MountedFileSystem(const std::string& kind, uint64_t size) {
        make_sparse_file(image_, size);
        EXPECT_EQ(mkdir(mount_point_.c_str(), 0755), 0);
        EXPECT_EQ(chmod(directory_.path().c_str(), 0755), 0);  // For open_without_privileges().
        if (geteuid() != 0) {
            obstacle_ = "only root can mount";
        } else if (kind == "tmpfs") {
            const std::string options = "size=" + std::to_string(size);
            run("mount -t tmpfs -o " + options + " none " + mount_point_);
        } else {
            run("mkfs." + kind + " -q " + image_);
            run("mount -t " + kind + " -o loop " + image_ + " " + mount_point_);
        }
        is_mounted_ = obstacle_.empty();
    }
    MountedFileSystem(const MountedFileSystem&) = delete;
    MountedFileSystem& operator=(const MountedFileSystem&) = delete;
    ~MountedFileSystem() {
        if (is_mounted_) {
            EXPECT_EQ(umount2(mount_point_.c_str(), 0), 0);
        }
    }

    bool is_mounted() const { return is_mounted_; }
    const std::string& obstacle() const { return obstacle_; }
    const std::string& path() const { return mount_point_; }
    std::string file(const std::string& name) const { return mount_point_ + "/" + name; }

  private:
    void run(const std::string& command) {
        if (obstacle_.empty() && std::system((command + " >/dev/null 2>&1").c_str()) != 0) {
            obstacle_ = "this fails here: " + command;
        }
    }

    TemporaryDirectory directory_;
    std::string image_ = directory_.file("image");
    std::string mount_point_ = directory_.file("mount");
    std::string obstacle_;
    bool is_mounted_ = false;
};

DataFileOptions to_format(const std::string& path, uint64_t size = disk_size) {
    return {.path = path, .purpose = DataFilePurpose::format, .size = size};
}

bool is_direct(const DataFile& file) {
    return (fcntl(static_cast<int>(file.fd), F_GETFL) & O_DIRECT) != 0;
}

struct Abilities {
    const char* file_system;
    uint64_t size;
    bool can_punch_hole;
    bool can_zero_range;
};

class LinuxFileSystem : public ::testing::TestWithParam<Abilities> {};

TEST_P(LinuxFileSystem, IsFoundOutWithoutHarmToWhatTheFileHolds) {
    const MountedFileSystem disk(GetParam().file_system, GetParam().size);
    if (!disk.is_mounted()) {
        GTEST_SKIP() << disk.obstacle();
    }
    const std::string path = disk.file("disk.img");
    const std::string bytes = pattern(disk_size + 100, 5);
    write_file(path, bytes);
    const ScopedDataFile file({.path = path});
    EXPECT_EQ(file->can_punch_hole, GetParam().can_punch_hole);
    EXPECT_EQ(file->can_zero_range, GetParam().can_zero_range);
    EXPECT_TRUE(file->can_report_extents);
    EXPECT_EQ(read_file(path), bytes);
    EXPECT_EQ(punch_hole(file->fd, 65536, 65536) == 0, GetParam().can_punch_hole);
    EXPECT_EQ(zero_range(file->fd, 0, 65536) == 0, GetParam().can_zero_range);
}

TEST_P(LinuxFileSystem, TheProbeTakesOneBlockAtMostHoweverOftenItIsRepeated) {
    const MountedFileSystem disk(GetParam().file_system, GetParam().size);
    if (!disk.is_mounted()) {
        GTEST_SKIP() << disk.obstacle();
    }
    const std::string path = disk.file("disk.img");
    ScopedDataFile(to_format(path)).close();
    for (int repetition = 0; repetition < 5; ++repetition) {
        ScopedDataFile({.path = path}).close();
    }
    EXPECT_LE(allocated_bytes(path), disk_size + 4096);
    EXPECT_EQ(file_size(path), disk_size);
}

INSTANTIATE_TEST_SUITE_P(Kinds, LinuxFileSystem,
                         ::testing::Values(Abilities{"ext4", uint64_t{64} << 20, true, true},
                                           Abilities{"xfs", uint64_t{400} << 20, true, true},
                                           Abilities{"tmpfs", uint64_t{16} << 20, true, false}),
                         [](const auto& tested) { return std::string(tested.param.file_system); });

TEST(LinuxFileSystemFull, TheFileIsRemovedAndTheMessageSaysHowMuchIsMissing) {
    const MountedFileSystem disk("tmpfs", 65536);
    if (!disk.is_mounted()) {
        GTEST_SKIP() << disk.obstacle();
    }
    const std::string path = disk.file("disk.img");
    const DataFileFailure failure = failure_of(open_data_file(to_format(path)));
    EXPECT_EQ(failure.error.code, ErrorCode::no_space);
    EXPECT_EQ(failure.message, "cannot make " + path +
                                   ": No space left on device; 1048576 bytes are needed, 65536 are "
                                   "free, 983040 are missing");
    EXPECT_NE(access(path.c_str(), F_OK), 0);
    EXPECT_EQ(ScopedDataFile(to_format(path, 65536))->size, 65536u);
}

// To anyone but root the disk is full while those are still free.
TEST(LinuxFileSystemFull, BlocksThatAreRootsAloneCountAsTaken) {
    const MountedFileSystem disk("ext4", uint64_t{64} << 20);
    if (!disk.is_mounted()) {
        GTEST_SKIP() << disk.obstacle();
    }
    give_to_unprivileged(disk.path());
    struct statvfs before = {};
    ASSERT_EQ(statvfs(disk.path().c_str(), &before), 0);
    ASSERT_GT(before.f_bfree, before.f_bavail);
    const std::string path = disk.file("disk.img");
    const uint64_t available = before.f_bavail * before.f_frsize;
    const DataFileFailure failure =
        failure_of(open_without_privileges(to_format(path, available + 65536)));
    EXPECT_EQ(failure.error.code, ErrorCode::no_space);
    EXPECT_THAT(failure.message,
                HasSubstr(std::to_string(available) + " are free, 65536 are missing"));
    EXPECT_NE(access(path.c_str(), F_OK), 0);
    struct statvfs after = {};
    ASSERT_EQ(statvfs(disk.path().c_str(), &after), 0);
    EXPECT_EQ(after.f_bfree, before.f_bfree);
}

TEST(LinuxPreallocation, IsRefusedWhereTheFileSystemCannotReserve) {
    const MountedFileSystem disk("ext2", uint64_t{16} << 20);
    if (!disk.is_mounted()) {
        GTEST_SKIP() << disk.obstacle();
    }
    const std::string path = disk.file("disk.img");
    DataFileOptions options = to_format(path);
    const DataFileFailure failure = failure_of(open_data_file(options));
    EXPECT_EQ(failure.error.code, ErrorCode::not_supported);
    EXPECT_THAT(failure.message, HasSubstr("its file system cannot reserve 1048576 bytes"));
    EXPECT_NE(access(path.c_str(), F_OK), 0);
    options.preallocate = false;
    EXPECT_EQ(ScopedDataFile(options)->size, disk_size);
}

class LinuxDataFile : public ::testing::Test {
  protected:
    TemporaryDirectory directory_;
    std::string path_ = directory_.file("disk.img");
};

TEST_F(LinuxDataFile, IsDirectWhereTheFileSystemCanAndSaysWhichAlignmentItNeeds) {
    const ScopedDataFile file(to_format(path_));
    EXPECT_EQ(is_direct(*file), file->caching == Caching::direct);
    if (file->caching != Caching::direct) {
        GTEST_SKIP() << "the file system of the temporary files has no direct IO";
    }
    EXPECT_GE(file->alignment, 512u);
    EXPECT_EQ(disk_size % file->alignment, 0u);
}

TEST_F(LinuxDataFile, IsCachedWhenItsSizeIsNoMultipleOfTheAlignment) {
    make_sparse_file(path_, disk_size + 100);
    const ScopedDataFile file({.path = path_});
    EXPECT_EQ(file->caching, Caching::cached);
    EXPECT_EQ(file->alignment, 1u);
    EXPECT_EQ(file->size, disk_size + 100);
    EXPECT_FALSE(is_direct(*file));
}

// No file system here asks for as much. Pages of 64 KiB and large blocks do.
TEST(LinuxAlignment, WhatStorageCannotWorkWithIsNotUsed) {
    EXPECT_TRUE(is_direct_alignment(512, disk_size));
    EXPECT_TRUE(is_direct_alignment(data_file_alignment_max, disk_size));
    EXPECT_FALSE(is_direct_alignment(data_file_alignment_max * 2, disk_size));
    EXPECT_FALSE(is_direct_alignment(data_file_alignment_max, disk_size + 512));
    EXPECT_FALSE(is_direct_alignment(0, disk_size));
    EXPECT_FALSE(is_direct_alignment(1536, 1536));
    EXPECT_TRUE(is_hole_alignment(data_file_hole_alignment_max));
    EXPECT_FALSE(is_hole_alignment(data_file_hole_alignment_max * 2));
    EXPECT_FALSE(is_hole_alignment(0));
    EXPECT_FALSE(is_hole_alignment(12288));
}

// /proc has no syncs, like squashfs; each of these files has a size on some kernels only.
TEST(LinuxReadOnly, AFileSystemWithoutSyncsHasNothingToSync) {
    bool is_tried = false;
    for (const char* path : {"/proc/cmdline", "/proc/config.gz"}) {
        if (access(path, R_OK) != 0) {
            continue;
        }
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        EXPECT_TRUE(is_sync_unknown(sync_file(Fd{fd}, Durability::full))) << path;
        struct stat status = {};
        EXPECT_EQ(fstat(fd, &status), 0);
        close(fd);
        if (status.st_size == 0) {
            continue;
        }
        is_tried = true;
        const ScopedDataFile file({.path = path, .is_read_only = true});
        EXPECT_EQ(file->durability, Durability::none) << path;
        EXPECT_TRUE(fs_sync(*file)) << path;
    }
    if (!is_tried) {
        GTEST_SKIP() << "no file of /proc has a size here";
    }
}

TEST_F(LinuxDataFile, IsNotInheritedByChildren) {
    const ScopedDataFile file(to_format(path_));
    EXPECT_EQ(fcntl(static_cast<int>(file->fd), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(LinuxDataFile, APunchGivesBlocksBackAndAZeroingKeepsThem) {
    const ScopedDataFile file(to_format(path_));
    if (!file->can_punch_hole || !file->can_zero_range) {
        GTEST_SKIP() << "the file system of the temporary files cannot";
    }
    const uint64_t full = allocated_bytes(path_);
    EXPECT_EQ(zero_range(file->fd, 0, 262144), 0);
    EXPECT_EQ(allocated_bytes(path_), full);
    EXPECT_EQ(punch_hole(file->fd, 262144, 262144), 0);
    EXPECT_EQ(allocated_bytes(path_), full - 262144);
    EXPECT_EQ(zero_range(file->fd, 262144, 262144), 0);
    EXPECT_EQ(allocated_bytes(path_), full);
    EXPECT_EQ(file_size(path_), disk_size);
}

TEST_F(LinuxDataFile, ReportsDataAndHolesWhereTheyAre) {
    make_sparse_file(path_, disk_size);
    write_file(path_, pattern(65536, 2), 131072);
    const ScopedDataFile file({.path = path_});
    Extent extents[4] = {};
    ASSERT_EQ(find_extents(file->fd, 0, disk_size, extents), 3);
    EXPECT_TRUE(extents[0].is_hole);
    EXPECT_EQ(extents[0].size, 131072u);
    EXPECT_FALSE(extents[1].is_hole);
    EXPECT_EQ(extents[1].size, 65536u);
    EXPECT_TRUE(extents[2].is_hole);
    EXPECT_EQ(extents[2].size, disk_size - 196608);

    ASSERT_EQ(find_extents(file->fd, 135168, 4096, extents), 1);
    EXPECT_FALSE(extents[0].is_hole);
    EXPECT_EQ(extents[0].size, 4096u);
    ASSERT_EQ(find_extents(file->fd, disk_size - 1, 1, extents), 1);
    EXPECT_TRUE(extents[0].is_hole);
}

TEST_F(LinuxDataFile, EveryFailedSyncIsFinal) {
    for (const int error : {EINVAL, ENOTSUP, ENOTTY, EIO}) {
        EXPECT_FALSE(is_full_sync_unknown(-error));
    }
}

// How often this process has the file open.
size_t open_count(const std::string& path) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        if (std::filesystem::read_symlink(entry.path(), error) == path) ++count;
    }
    return count;
}

// Its owner ends, and the image is replaced, between our open and our lock: we would serve a file
// that has no name any more.
TEST(DataFileLockRace, FileThatWasReplacedWhileItsOwnerEndedIsRefused) {
    TemporaryDirectory directory;
    const std::string path = directory.file("data");
    write_file(path, pattern(disk_size, 1));
    const int owner = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(flock(owner, LOCK_EX), 0);
    std::thread ending([&] {
        while (open_count(path) < 2) std::this_thread::yield();
        write_file(directory.file("new"), pattern(disk_size, 2));
        EXPECT_EQ(rename(directory.file("new").c_str(), path.c_str()), 0);
        close(owner);
    });
    const DataFileFailure failure = failure_of(open_data_file({.path = path}));
    ending.join();
    EXPECT_EQ(failure.error.code, ErrorCode::busy);
}

}  // namespace
}  // namespace blockd::io
