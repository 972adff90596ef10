#include "blockctl/page_cache_drain.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {
namespace {

constexpr uint64_t piece_size = 256u << 10;
constexpr uint64_t file_size = 64u << 20;

class PageCacheDrainTest : public testing::Test {
  protected:
    void SetUp() override {
        support::make_sparse_file(path, file_size);
        fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        ASSERT_GE(fd, 0);
        struct statfs status {};
        ASSERT_EQ(fstatfs(fd, &status), 0);
        if (status.f_type == TMPFS_MAGIC) GTEST_SKIP() << "tmpfs has nowhere to write back to";
    }

    void TearDown() override { close(fd); }

    void write_all(PageCacheDrain* drain) const {
        const std::string bytes = support::pattern(piece_size, 1);
        for (uint64_t offset = 0; offset < file_size; offset += piece_size) {
            ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), off_t(offset)), ssize_t(bytes.size()));
            if (drain != nullptr) drain->written(offset, piece_size);
        }
    }

    // Bytes of the file that are in memory.
    uint64_t resident_size() const {
        void* const memory = mmap(nullptr, file_size, PROT_READ, MAP_SHARED, fd, 0);
        const auto page_size = uint64_t(sysconf(_SC_PAGESIZE));
        std::vector<unsigned char> pages(file_size / page_size);
        EXPECT_EQ(mincore(memory, file_size, pages.data()), 0);
        munmap(memory, file_size);
        const auto is_resident = [](unsigned char page) { return (page & 1) != 0; };
        return uint64_t(std::ranges::count_if(pages, is_resident)) * page_size;
    }

    support::TemporaryDirectory directory;
    std::string path = directory.file("file");
    int fd = -1;
};

TEST_F(PageCacheDrainTest, WrittenFileLeavesMemoryButForItsEnd) {
    PageCacheDrain drain{io::Fd(fd)};
    write_all(&drain);
    EXPECT_TRUE(support::eventually([this] { return resident_size() <= file_size / 4; }))
        << resident_size();
    EXPECT_TRUE(support::read_file(path, file_size - piece_size, piece_size) ==
                support::pattern(piece_size, 1));
}

// Without this the test above would prove nothing.
TEST_F(PageCacheDrainTest, FileStaysInMemoryWithoutADrain) {
    write_all(nullptr);
    EXPECT_GE(resident_size(), file_size / 2);
}

TEST_F(PageCacheDrainTest, EndsAtOnceWithWorkLeft) {
    for (int round = 0; round < 50; ++round) {
        PageCacheDrain drain{io::Fd(fd)};
        for (uint64_t offset = 0; offset < file_size; offset += 4096) drain.written(offset, 4096);
    }
}

}  // namespace
}  // namespace blockd::blockctl
