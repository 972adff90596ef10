// Holes: how reads and block status tell of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

// Data at 0, 1 MiB and 3 MiB + 64 KiB, 128 KiB each; holes between.
class Sparse : public DaemonTest {
  protected:
    Sparse() {
        for (const uint64_t offset : {uint64_t{0}, mebibyte, 3 * mebibyte + 65536}) {
            write_file(file("disk"), pattern(131'072, 1 + static_cast<uint32_t>(offset >> 16)),
                       offset);
        }
    }

    std::string truth(uint64_t offset, uint64_t size) const {
        return read_file(file("disk"), offset, size);
    }

    // Whether the file system told of the hole when the daemon asked.
    static bool tells_holes(WireClient& client) {
        for (const BlockExtent& extent :
             extents_of(client.block_status(0, 4 * mebibyte), client.context_id())) {
            if ((extent.flags & wire::state_hole) != 0) return true;
        }
        return false;
    }
};

TEST_F(Sparse, Case58ChunksCoverTheReadOnceAndEndOnce) {
    const uint64_t seed = std::random_device()();
    std::mt19937_64 random(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    WireClient client = attach_structured();
    for (int round = 0; round < 200 && !client.is_broken(); ++round) {
        const uint64_t offset = random() % (4 * mebibyte);
        const auto size = static_cast<uint32_t>(1 + random() % mebibyte);
        const Answer answer = client.read(offset, size);  // Checks cover, bounds and overlap.
        EXPECT_TRUE(answer.is_structured);
        EXPECT_TRUE(answer.data == truth(offset, size)) << offset << " + " << size;
        for (size_t index = 0; index < answer.chunks.size(); ++index) {
            EXPECT_EQ(answer.chunks[index].is_done(), index + 1 == answer.chunks.size());
        }
    }
}

TEST_F(Sparse, Case58HolesAreSentAsHoles) {
    WireClient client = attach_structured();
    if (!tells_holes(client)) GTEST_SKIP() << "the file system reports no holes";
    const Answer hole = client.read(512 * 1024, 65536);
    ASSERT_EQ(hole.chunks.size(), 1u);
    EXPECT_EQ(hole.chunks[0].type, wire::chunk_hole);
    // Small holes beside data may travel as data.
    const Answer answer = client.read(0, 4 * mebibyte);
    EXPECT_GT(std::count_if(answer.chunks.begin(), answer.chunks.end(),
                            [](const Chunk& chunk) { return chunk.type == wire::chunk_hole; }),
              0);
    EXPECT_TRUE(answer.data == truth(0, 4 * mebibyte));
}

TEST_F(Sparse, Case59UnfragmentedReadIsOneChunk) {
    WireClient client = attach_structured();
    struct Piece {
        uint64_t offset;
        uint32_t size;
    };
    // Across data and a hole, all hole, all data, several holes, and the largest read.
    const std::vector<Piece> pieces = {
        {131'072 - 32'768, 65536}, {512 * 1024, 65536}, {0, 65536}, {100, 65536},
        {0, 4 * mebibyte},         {0, 32 * mebibyte}};
    for (const auto& [offset, size] : pieces) {
        const Answer answer = client.read(offset, size, wire::flag_df);
        if (size > 65536 && answer.error == wire::eoverflow) continue;
        EXPECT_TRUE(answer.is_ok());
        size_t content_count = 0;
        for (const Chunk& chunk : answer.chunks) content_count += chunk.type != wire::chunk_none;
        EXPECT_EQ(content_count, 1u) << offset << " + " << size;
        EXPECT_TRUE(answer.data == truth(offset, size)) << offset << " + " << size;
    }
}

TEST_F(Sparse, Case60ExtentsAddUpAndZeroExtentsReadZero) {
    const uint64_t seed = std::random_device()();
    std::mt19937_64 random(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    WireClient client = attach_structured();
    for (int round = 0; round < 100 && !client.is_broken(); ++round) {
        const uint64_t offset = random() % (4 * mebibyte);
        const auto size = static_cast<uint32_t>(1 + random() % (4 * mebibyte));
        const auto extents = extents_of(client.block_status(offset, size), client.context_id());
        ASSERT_FALSE(extents.empty());
        uint64_t position = offset;
        for (size_t index = 0; index < extents.size(); ++index) {
            ASSERT_GT(extents[index].size, 0u);
            EXPECT_LT(position, offset + size) << "only the last extent may run past the request";
            if ((extents[index].flags & wire::state_zero) != 0) {
                const std::string bytes = truth(position, extents[index].size);
                EXPECT_EQ(bytes.find_first_not_of('\0'), std::string::npos) << position;
            }
            position += extents[index].size;
        }
        EXPECT_LE(position, disk_size);
    }
}

TEST_F(Sparse, Case60RequestOneGivesOneExtentWithinTheRequest) {
    WireClient client = attach_structured();
    for (const uint64_t offset :
         {uint64_t{0}, uint64_t{131'072 - 512}, uint64_t{131'073}, disk_size - 1}) {
        const auto size = static_cast<uint32_t>(std::min(2 * mebibyte, disk_size - offset));
        const Answer answer = client.block_status(offset, size, wire::flag_req_one);
        const auto extents = extents_of(answer, client.context_id());
        ASSERT_EQ(extents.size(), 1u);
        EXPECT_GT(extents[0].size, 0u);
        EXPECT_LE(extents[0].size, size);
    }
}

TEST_F(Sparse, Case60WalkOverTheExportFindsDataAndHoles) {
    WireClient client = attach_structured();
    if (!tells_holes(client)) GTEST_SKIP() << "the file system reports no holes";
    uint64_t data_bytes = 0;
    for (uint64_t offset = 0; offset < disk_size && !client.is_broken();) {
        const auto size = static_cast<uint32_t>(disk_size - offset);
        const auto extents =
            extents_of(client.block_status(offset, size, wire::flag_req_one), client.context_id());
        ASSERT_EQ(extents.size(), 1u);
        ASSERT_GT(extents[0].size, 0u);
        if (extents[0].flags == 0) data_bytes += extents[0].size;
        offset += extents[0].size;
    }
    EXPECT_EQ(data_bytes, 3 * 131'072u);
}

TEST_F(Sparse, TrimmedRangeBecomesAHole) {
    WireClient client = attach_structured();
    if (!tells_holes(client)) GTEST_SKIP() << "the file system reports no holes";
    EXPECT_TRUE(client.trim(mebibyte, 131'072).is_ok());
    const auto extents = extents_of(client.block_status(mebibyte, 131'072), client.context_id());
    ASSERT_EQ(extents.size(), 1u);
    EXPECT_EQ(extents[0].flags, wire::state_hole | wire::state_zero);
    EXPECT_TRUE(client.write(mebibyte + 4096, pattern(4096, 9)).is_ok());
    const auto after = extents_of(client.block_status(mebibyte, 131'072), client.context_id());
    EXPECT_EQ(after.size(), 3u) << "the written block is seen at once";
}

// 4,096 extents: more than one answer of a server that bounds its memory need tell. Each that is
// told is where the file has it.
TEST_F(Sparse, Case76HugeFragmentedFileIsToldInBoundedPieces) {
    constexpr uint64_t size = 5 * gibibyte;
    constexpr uint64_t step = 2 * mebibyte;
    add_export("fragmented", size);
    for (uint64_t offset = 0; offset < 4 * gibibyte; offset += step) {
        write_file(file("fragmented"), pattern(4096, 3), offset);
    }
    start();
    WireClient client = attach_structured("fragmented");
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    for (const uint32_t length : {0xffffffffu, 0xfffff000u, 0x80000000u}) {
        const auto extents = extents_of(client.block_status(0, length), client.context_id());
        EXPECT_GT(extents.size(), 1u);
        EXPECT_LE(extents.size(), size_t{1} << 20);
        uint64_t position = 0;
        for (const BlockExtent& extent : extents) {
            const bool is_data = position % step == 0 && position < 4 * gibibyte;
            ASSERT_EQ(extent.flags, is_data ? 0u : wire::state_hole | wire::state_zero) << position;
            ASSERT_EQ(is_data, extent.size == 4096) << position;
            position += extent.size;
            ASSERT_TRUE(is_data || position % step == 0 || position == length) << position;
        }
        EXPECT_LE(position, length);
    }
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes, resident_bytes + 8 * mebibyte);
    }
    expect_in_step(client);
}

}  // namespace
}  // namespace blockd::support
