// The file system under a sparse data file is full, has room again, and is full again.
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "crash/loop_file_system.h"
#include "support/daemon_test.h"

namespace blockd::crash {
namespace {

using namespace support;

class FullDisk : public DaemonTest, public ::testing::WithParamInterface<const char*> {
  protected:
    static constexpr uint64_t sparse_size = 64 * mebibyte;
    static constexpr uint32_t step = 64 * kibibyte;
    static constexpr uint64_t room = 6 * mebibyte;

    void SetUp() override {
        file_system = std::make_unique<LoopFileSystem>(directory.path(), GetParam(), room);
        if (!file_system->reason().empty()) GTEST_SKIP() << file_system->reason();
        make_sparse_file(file_system->file("disk.img"), sparse_size);
        config.exports = {{.name = "disk", .file = file_system->file("disk.img")}};
        start();
    }

    // Writes one step after the other until there is no space. How many were acknowledged.
    uint64_t write_until_full(WireClient& client, uint32_t seed) {
        for (uint64_t index = 0; index < sparse_size / step; ++index) {
            const Answer answer = client.write(index * step, pattern(step, seed + uint32_t(index)));
            if (!answer.is_ok()) {
                EXPECT_EQ(answer.error, wire::enospc);
                return index;
            }
        }
        ADD_FAILURE() << "it was never full";
        return 0;
    }

    void expect_written(WireClient& client, uint64_t count, uint32_t seed) {
        for (uint64_t index = 0; index < count; ++index) {
            ASSERT_TRUE(client.read(index * step, step).data ==
                        pattern(step, seed + uint32_t(index)))
                << "step " << index;
        }
    }

    std::unique_ptr<LoopFileSystem> file_system;
};

TEST_P(FullDisk, IsNoSpaceUntilThereIsSomeForTwentyCycles) {
    constexpr uint32_t cycles = 20;
    WireClient client = attach();
    uint64_t steps = 0;
    for (uint32_t cycle = 0; cycle < cycles; ++cycle) {
        // Every other time it is a neighbour's file that takes the rest.
        const bool has_neighbour = cycle % 2 == 1;
        if (has_neighbour) {
            EXPECT_TRUE(client.write(0, pattern(step, cycle * 1000)).is_ok());
            file_system->fill();
        }
        const uint64_t count = write_until_full(client, cycle * 1000);
        EXPECT_GE(count, 1u) << "what has its blocks can be written again";
        EXPECT_EQ(client.write(sparse_size - step, pattern(step, 1)).error, wire::enospc);
        expect_written(client, count, cycle * 1000);
        EXPECT_TRUE(client.flush().is_ok()) << "a full disk is no failed sync";
        WireClient other = attach();
        EXPECT_TRUE(other.read(0, step).data == pattern(step, cycle * 1000));

        if (has_neighbour) {
            file_system->free_filling();
        } else {
            EXPECT_TRUE(client.trim(0, sparse_size).is_ok());
        }
        EXPECT_TRUE(client.write(count * step, pattern(step, 7), wire::flag_fua).is_ok())
            << "there is space again, cycle " << cycle;
        EXPECT_TRUE(client.trim(0, sparse_size).is_ok());
        EXPECT_TRUE(client.flush().is_ok());
        steps += count;
    }
    std::cout << cycles << " times full after " << steps << " writes\n";
}

INSTANTIATE_TEST_SUITE_P(FileSystems, FullDisk, ::testing::Values("ext4", "xfs"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace blockd::crash
