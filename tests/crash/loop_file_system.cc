#include "crash/loop_file_system.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "support/temporary_directory.h"

namespace blockd::crash {
namespace {

// mkfs.xfs refuses less than 300 MiB. The image is sparse.
constexpr uint64_t image_size = 320 * 1024 * 1024;

bool runs(const std::string& command) {
    return std::system(("PATH=$PATH:/usr/sbin:/sbin; " + command + " >/dev/null 2>&1").c_str()) ==
           0;
}

// Writes zeros until nothing more fits, up to `size`. Returns how many bytes it wrote.
uint64_t write_zeros(const std::string& path, uint64_t size) {
    const std::string zeros(64 * 1024, '\0');
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    EXPECT_GE(file, 0) << path;
    uint64_t written = 0;
    // The last few blocks go one by one.
    for (size_t step = zeros.size(); step >= 4096 && written < size; step /= 2) {
        while (written < size && write(file, zeros.data(), step) == static_cast<ssize_t>(step)) {
            written += step;
        }
    }
    fsync(file);
    close(file);
    return written;
}

}  // namespace

LoopFileSystem::LoopFileSystem(const std::string& folder, const std::string& kind, uint64_t room)
    : mount_point_(folder + "/" + kind) {
    const std::string image = folder + "/" + kind + ".img";
    support::make_sparse_file(image, image_size);
    std::filesystem::create_directory(mount_point_);
    const std::string options = kind == "ext4" ? "-q -m 0 -F " : "-q ";
    if (geteuid() != 0) {
        reason_ = "only root can mount";
    } else if (!runs("mkfs." + kind + " " + options + image)) {
        reason_ = "there is no mkfs." + kind + " that makes a small one";
    } else if (!runs("mount -o loop " + image + " " + mount_point_)) {
        reason_ = "cannot mount " + kind + " on a loop device";
    }
    is_mounted_ = reason_.empty();
    if (!is_mounted_) return;
    const uint64_t available = std::filesystem::space(mount_point_).available;
    EXPECT_GT(available, room);
    if (available > room) write_zeros(file("taken"), available - room);
}

LoopFileSystem::~LoopFileSystem() {
    if (!is_mounted_) return;
    EXPECT_TRUE(runs("umount " + mount_point_));
}

void LoopFileSystem::fill() { write_zeros(file("filling"), image_size); }

void LoopFileSystem::free_filling() { std::filesystem::remove(file("filling")); }

}  // namespace blockd::crash
