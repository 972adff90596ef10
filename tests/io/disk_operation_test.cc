#include "io/disk_operation.h"

#include "io/opened_data_file.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace blockd::io {
namespace {

using support::pattern;
using support::read_file;
using support::TemporaryDirectory;
using support::write_file;

constexpr uint64_t disk_size = 1048576;
constexpr size_t buffer_alignment = 16384;

struct FreeAligned {
    void operator()(std::byte* memory) const {
        ::operator delete (memory, std::align_val_t{buffer_alignment});
    }
};

class AlignedBuffer {
  public:
    explicit AlignedBuffer(size_t size)
        : memory_(
              static_cast<std::byte*>(::operator new (size, std::align_val_t{buffer_alignment}))),
          size_(size) {
        std::memset(memory_.get(), 0xee, size);
    }
    explicit AlignedBuffer(const std::string& bytes) : AlignedBuffer(bytes.size()) {
        std::memcpy(memory_.get(), bytes.data(), bytes.size());
    }

    std::byte* data() { return memory_.get(); }
    size_t size() const { return size_; }
    std::string text(size_t size) const {
        return std::string(reinterpret_cast<const char*>(memory_.get()), size);
    }

  private:
    std::unique_ptr<std::byte, FreeAligned> memory_;
    size_t size_;
};

class DiskOperation : public ::testing::Test {
  protected:
    int64_t transfer(OperationKind kind, AlignedBuffer& buffer, uint64_t offset) {
        Operation operation;
        operation.kind = kind;
        operation.fd = file_->fd;
        operation.data = buffer.data();
        operation.size = buffer.size();
        operation.offset = offset;
        return perform_disk_operation(operation);
    }

    int64_t range(OperationKind kind, uint64_t offset, uint64_t size) {
        Operation operation;
        operation.kind = kind;
        operation.fd = file_->fd;
        operation.offset = offset;
        operation.size = size;
        return perform_disk_operation(operation);
    }

    std::vector<Extent> extents(uint64_t offset, uint64_t size, uint32_t extents_max = 64) {
        std::vector<Extent> found(extents_max);
        Operation operation;
        operation.kind = OperationKind::extents;
        operation.fd = file_->fd;
        operation.offset = offset;
        operation.size = size;
        operation.extents = found.data();
        operation.extents_max = extents_max;
        const int64_t count = perform_disk_operation(operation);
        EXPECT_GT(count, 0);
        found.resize(static_cast<size_t>(std::max<int64_t>(count, 0)));
        return found;
    }

    TemporaryDirectory directory_;
    std::string path_ = directory_.file("disk.img");
    ScopedDataFile file_{DataFileOptions{.path = path_,
                                         .purpose = DataFilePurpose::format,
                                         .size = disk_size,
                                         .allow_weak_sync = true}};
};

uint64_t total(const std::vector<Extent>& extents) {
    uint64_t sum = 0;
    for (const Extent& extent : extents) {
        sum += extent.size;
    }
    return sum;
}

TEST_F(DiskOperation, WhatIsWrittenIsReadBack) {
    AlignedBuffer written(pattern(65536, 7));
    EXPECT_EQ(transfer(OperationKind::write, written, disk_size - 65536), 65536);
    AlignedBuffer back(65536);
    EXPECT_EQ(transfer(OperationKind::read, back, disk_size - 65536), 65536);
    EXPECT_EQ(back.text(65536), written.text(65536));
    EXPECT_EQ(range(OperationKind::sync, 0, 0), 0);
    EXPECT_EQ(read_file(path_, disk_size - 65536, 65536), written.text(65536));
}

TEST_F(DiskOperation, AReadEndsWhereTheFileEnds) {
    AlignedBuffer buffer(65536);
    EXPECT_EQ(transfer(OperationKind::read, buffer, disk_size - 4096), 4096);
    EXPECT_EQ(transfer(OperationKind::read, buffer, disk_size), 0);
    EXPECT_EQ(transfer(OperationKind::read, buffer, disk_size * 2), 0);
}

TEST_F(DiskOperation, ADirectReadEndsWhereAnUnalignedFileEnds) {
    const std::string bytes = pattern(5000, 3);
    const std::string path = directory_.file("unaligned.img");
    write_file(path, bytes);
    const ScopedDataFile file({.path = path, .size = 4096, .allow_weak_sync = true});
    AlignedBuffer buffer(65536);
    Operation operation;
    operation.kind = OperationKind::read;
    operation.fd = file->fd;
    operation.data = buffer.data();
    operation.size = buffer.size();
    EXPECT_EQ(perform_disk_operation(operation), 5000);
    EXPECT_EQ(buffer.text(5000), bytes);
}

TEST_F(DiskOperation, AWriteCutShortByTheSystemReportsWhyItCannotGoOn) {
    const std::string path = directory_.file("limited.img");
    const ScopedDataFile file(
        {.path = path, .purpose = DataFilePurpose::format, .size = 4096, .allow_weak_sync = true});
    rlimit limit = {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit former = limit;
    limit.rlim_cur = 8192;
    const auto former_handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    AlignedBuffer buffer(16384);
    Operation operation;
    operation.kind = OperationKind::write;
    operation.fd = file->fd;
    operation.data = buffer.data();
    operation.size = buffer.size();
    EXPECT_EQ(perform_disk_operation(operation), -EFBIG);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &former), 0);
    std::signal(SIGXFSZ, former_handler);
    EXPECT_EQ(read_file(path), buffer.text(8192));
}

TEST_F(DiskOperation, ErrorsAreNegatedErrnos) {
    Operation operation;
    operation.fd = Fd{1'000'000};
    operation.size = 4096;
    AlignedBuffer buffer(4096);
    operation.data = buffer.data();
    for (const OperationKind kind :
         {OperationKind::read, OperationKind::write, OperationKind::sync, OperationKind::close}) {
        operation.kind = kind;
        EXPECT_EQ(perform_disk_operation(operation), -EBADF);
    }
}

TEST_F(DiskOperation, APunchedHoleReadsAsZerosAndItsNeighboursStay) {
    if (!file_->can_punch_hole) {
        GTEST_SKIP() << "the file system of the temporary files punches no holes";
    }
    AlignedBuffer written(pattern(65536, 11));
    ASSERT_EQ(transfer(OperationKind::write, written, 0), 65536);
    EXPECT_EQ(range(OperationKind::punch_hole, 16384, 32768), 0);
    AlignedBuffer back(65536);
    ASSERT_EQ(transfer(OperationKind::read, back, 0), 65536);
    std::string expected = written.text(65536);
    expected.replace(16384, 32768, 32768, '\0');
    EXPECT_EQ(back.text(65536), expected);
}

TEST_F(DiskOperation, AZeroedRangeReadsAsZerosAndItsNeighboursStay) {
    if (!file_->can_zero_range) {
        EXPECT_LT(range(OperationKind::zero_range, 0, 4096), 0);
        GTEST_SKIP() << "the file system of the temporary files zeroes no ranges";
    }
    AlignedBuffer written(pattern(65536, 13));
    ASSERT_EQ(transfer(OperationKind::write, written, 0), 65536);
    EXPECT_EQ(range(OperationKind::zero_range, 4096, 8192), 0);
    AlignedBuffer back(65536);
    ASSERT_EQ(transfer(OperationKind::read, back, 0), 65536);
    std::string expected = written.text(65536);
    expected.replace(4096, 8192, 8192, '\0');
    EXPECT_EQ(back.text(65536), expected);
}

TEST_F(DiskOperation, ExtentsAddUpToWhatWasAskedForAndNeverHideData) {
    AlignedBuffer written(pattern(65536, 17));
    ASSERT_EQ(transfer(OperationKind::write, written, 131072), 65536);
    ASSERT_EQ(transfer(OperationKind::write, written, 524288), 65536);
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{131072}, uint64_t{160000}}) {
        const std::vector<Extent> found = extents(offset, disk_size - offset);
        EXPECT_EQ(total(found), disk_size - offset);
        uint64_t position = offset;
        for (const Extent& extent : found) {
            const std::string bytes = read_file(path_, position, extent.size);
            EXPECT_TRUE(!extent.is_hole || bytes == std::string(extent.size, '\0')) << position;
            position += extent.size;
        }
    }
}

TEST_F(DiskOperation, ExtentsFillNoMoreThanTheirArray) {
    AlignedBuffer written(pattern(65536, 19));
    ASSERT_EQ(transfer(OperationKind::write, written, 131072), 65536);
    const std::vector<Extent> found = extents(0, disk_size, 1);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].size, file_->can_report_extents ? 131072 : disk_size);
    EXPECT_EQ(extents(131072, 512, 1)[0].size, 512u);
}

TEST_F(DiskOperation, FilesAreOpenedCloseOnExecRelativeToADirectoryOrNot) {
    Operation operation;
    operation.kind = OperationKind::open;
    operation.path = directory_.path().c_str();
    operation.open_flags = O_RDONLY | O_DIRECTORY;
    const int64_t directory = perform_disk_operation(operation);
    ASSERT_GE(directory, 0);

    operation.fd = Fd{static_cast<int32_t>(directory)};
    operation.path = "new";
    operation.open_flags = O_RDWR | O_CREAT | O_EXCL;
    operation.open_mode = 0600;
    const int64_t file = perform_disk_operation(operation);
    ASSERT_GE(file, 0);
    EXPECT_EQ(fcntl(static_cast<int>(file), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(perform_disk_operation(operation), -EEXIST);

    operation.kind = OperationKind::close;
    EXPECT_EQ(perform_disk_operation(operation), 0);
    operation.fd = Fd{static_cast<int32_t>(file)};
    EXPECT_EQ(perform_disk_operation(operation), 0);
    EXPECT_EQ(perform_disk_operation(operation), -EBADF);
}

}  // namespace
}  // namespace blockd::io
