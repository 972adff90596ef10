#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blockd::support {
namespace {

struct stat status_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() : TemporaryDirectory("") {}

TemporaryDirectory::TemporaryDirectory(const std::string& parent) {
    const char* const system = getenv("TMPDIR");
    path_ = !parent.empty() ? parent : system == nullptr ? "/tmp" : system;
    path_ += "/blockd-test-XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void make_sparse_file(const std::string& path, uint64_t size) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT_GE(file, 0) << path;
    EXPECT_EQ(ftruncate(file, static_cast<off_t>(size)), 0) << path;
    close(file);
}

void write_file(const std::string& path, std::string_view bytes, uint64_t offset) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_GE(file, 0) << path;
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    EXPECT_EQ(written, static_cast<ssize_t>(bytes.size())) << path;
    close(file);
}

std::string read_file(const std::string& path, uint64_t offset, uint64_t size) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_GE(file, 0) << path;
    std::string bytes(size, '\0');
    size_t count = 0;
    while (count < size) {
        const ssize_t result =
            pread(file, bytes.data() + count, size - count, static_cast<off_t>(offset + count));
        if (result <= 0) break;
        count += static_cast<size_t>(result);
    }
    close(file);
    bytes.resize(count);
    return bytes;
}

std::string read_file(const std::string& path) { return read_file(path, 0, file_size(path)); }

uint64_t file_size(const std::string& path) {
    return static_cast<uint64_t>(status_of(path).st_size);
}

uint64_t allocated_bytes(const std::string& path) {
    return static_cast<uint64_t>(status_of(path).st_blocks) * 512;
}

std::string pattern(uint64_t size, uint32_t seed) {
    std::string bytes(size, '\0');
    uint32_t state = seed * 2654435761u + 1;
    for (char& byte : bytes) {
        state = state * 1664525u + 1013904223u;
        byte = static_cast<char>(1 + (state >> 24) % 255);
    }
    return bytes;
}

}  // namespace blockd::support
