#include "storage/disk.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr std::byte mark_a{0xaa};
constexpr std::byte mark_b{0xbb};

// Goal: any offset, size and command behaves as on an array of bytes.
// Method: random commands, one after the other, against a model; each read and the end compared.
void expect_disk_equals_array(uint32_t alignment, uint32_t hole_alignment, bool has_holes) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ", alignment " << alignment);
    std::mt19937_64 random(seed);
    DiskWorld world(
        {.size = test_disk_size, .alignment = alignment, .hole_alignment = hole_alignment});
    world.backend.refuses_punch_hole = world.backend.refuses_zero_range = !has_holes;
    std::vector<std::byte> model(test_disk_size);

    for (int step = 0; step < 300; ++step) {
        const uint64_t offset = random() % test_disk_size;
        const uint64_t longest = random() % 8 == 0 ? 3u << 20 : 20'000;
        const uint64_t size = 1 + random() % std::min(longest, test_disk_size - offset);
        const auto at = model.begin() + ptrdiff_t(offset);
        const std::byte mark{uint8_t(random())};
        const auto command = DiskCommand(random() % 4);
        auto request = world.make(command, offset, size);
        request->request.keeps_blocks = random() % 2;
        if (command == DiskCommand::write) request->fill(mark);
        world.disk.submit(request->request);
        world.settle();
        ASSERT_TRUE(request->is_ok());
        if (command == DiskCommand::write) std::fill_n(at, size, mark);
        if (command == DiskCommand::write_zeroes) std::fill_n(at, size, std::byte(0));
        if (command == DiskCommand::read) {
            ASSERT_TRUE(std::ranges::equal(request->payload(), std::span(at, size)));
        }
        if (command == DiskCommand::trim) {  // Takes some of the bytes, and no others.
            const auto held = world.backend.bytes().begin() + ptrdiff_t(offset);
            for (uint64_t byte = 0; byte < size; ++byte) {
                ASSERT_TRUE(held[ptrdiff_t(byte)] == at[ptrdiff_t(byte)] ||
                            held[ptrdiff_t(byte)] == std::byte(0));
            }
            std::copy_n(held, size, at);
        }
        world.release(*request);
    }
    EXPECT_EQ(world.backend.bytes(), model);
    EXPECT_EQ(world.pool.used_size(), 0u);
}

TEST(Disk, IsAnArrayOfBytesWithoutAlignment) { expect_disk_equals_array(1, 4096, true); }
TEST(Disk, IsAnArrayOfBytesWith512ByteBlocks) { expect_disk_equals_array(512, 4096, true); }
TEST(Disk, IsAnArrayOfBytesWith4096ByteBlocks) { expect_disk_equals_array(4096, 4096, true); }
TEST(Disk, IsAnArrayOfBytesWhereHolesAreUnknown) { expect_disk_equals_array(4096, 4096, false); }

TEST(Disk, LargeReadIsMadeOfMebibyteOperations) {
    DiskWorld world({.size = test_disk_size, .alignment = 4096, .hole_alignment = 4096});
    auto request = world.start(DiskCommand::read, 100, 3 << 20);
    world.settle();
    ASSERT_EQ(world.backend.records().size(), 4u);
    EXPECT_EQ(world.backend.records()[0].size, 1u << 20);
    EXPECT_EQ(world.backend.records()[3].size, 4096u) << "the block that the end reaches into";
    EXPECT_EQ(request->payload().size(), 3u << 20);
    world.release(*request);
}

TEST(Disk, WriteInsideOneBlockReadsItOnce) {
    DiskWorld world({.size = test_disk_size, .alignment = 4096, .hole_alignment = 4096});
    auto request = world.write(1000, 100, mark_a);
    world.settle();
    EXPECT_EQ(world.backend.count(OperationKind::read), 1u);
    EXPECT_EQ(world.backend.count(OperationKind::write), 1u);
    world.release(*request);
}

// Two writes to the two halves of one block: were they not ordered, each would write back what it
// read of the other half before.
TEST(Disk, NeighboursInOneBlockDoNotUndoEachOther) {
    DiskWorld world(
        {.size = test_disk_size, .alignment = 4096, .hole_alignment = 4096, .is_manual = true});
    auto left = world.write(0, 2048, mark_a);
    auto right = world.write(2048, 2048, mark_b);
    world.tick();
    EXPECT_EQ(world.backend.pending_count(), 1u) << "the second waits for the block";
    while (!left->is_done() || !right->is_done()) {
        if (world.backend.pending_count() > 0) world.backend.finish(0);
        world.tick();
    }
    EXPECT_EQ(std::ranges::count(std::span(world.backend.bytes()).first(2048), mark_a), 2048);
    EXPECT_EQ(std::ranges::count(std::span(world.backend.bytes()).subspan(2048, 2048), mark_b),
              2048);
    world.release(*left);
    world.release(*right);
}

TEST(Disk, NewerWriteWaitsForTheOlderOneToTheSameBytes) {
    DiskWorld world({.size = test_disk_size, .is_manual = true});
    auto older = world.write(0, 4096, mark_a);
    world.tick();
    auto newer = world.write(0, 4096, mark_b);
    world.tick();
    EXPECT_EQ(world.backend.pending_count(), 1u);
    world.backend.finish(0);
    world.tick();
    world.tick();
    ASSERT_EQ(world.backend.pending_count(), 1u);
    world.backend.finish(0);
    world.settle();
    EXPECT_EQ(world.backend.bytes()[0], mark_b);
    world.release(*older);
    world.release(*newer);
}

TEST(Disk, DiskErrorEndsThatRequestAlone) {
    DiskWorld world({.size = test_disk_size});
    world.backend.bad_bytes = {1'500'000};
    auto failing = world.start(DiskCommand::read, 0, 2 << 20);
    auto working = world.start(DiskCommand::read, 0, 4096);
    world.settle();
    EXPECT_TRUE(failing->failed_with(ErrorCode::disk));
    EXPECT_TRUE(working->is_ok());
    EXPECT_FALSE(world.disk.has_failed());
    world.release(*failing);
    world.release(*working);
}

TEST(Disk, FullDiskIsNoSpaceForThatWrite) {
    DiskWorld world({.size = test_disk_size, .is_manual = true});
    auto request = world.write(0, 4096, mark_a);
    world.tick();
    world.backend.fail(0, ENOSPC);
    world.settle();
    EXPECT_TRUE(request->failed_with(ErrorCode::no_space));
    world.release(*request);
}

TEST(Disk, ReadPastATruncatedEndIsADiskError) {
    DiskWorld world({.size = test_disk_size, .is_manual = true});
    auto request = world.start(DiskCommand::read, 0, 8192);
    while (!request->is_done()) {
        world.tick();
        if (world.backend.pending_count() > 0) world.backend.finish_short(0, 2048);
    }
    EXPECT_TRUE(request->failed_with(ErrorCode::disk));
    world.release(*request);
}

TEST(Disk, FailedEdgeReadFailsTheWriteAndFreesTheRange) {
    DiskWorld world(
        {.size = test_disk_size, .alignment = 4096, .hole_alignment = 4096, .is_manual = true});
    auto request = world.write(100, 100, mark_a);
    auto behind = world.write(200, 100, mark_b);
    world.tick();
    world.backend.fail(0, EIO);
    world.tick();
    EXPECT_TRUE(request->failed_with(ErrorCode::disk));
    while (!behind->is_done()) {
        if (world.backend.pending_count() > 0) world.backend.finish(0);
        world.tick();
    }
    EXPECT_TRUE(behind->is_ok());
    world.release(*request);
    world.release(*behind);
}

TEST(Disk, ExtentsWithoutKnowledgeAreAllData) {
    DiskWorld world({.size = test_disk_size});
    auto request = world.start(DiskCommand::extents, 4096, 1 << 20);
    EXPECT_FALSE(request->is_done()) << "never inside the call";
    world.settle();
    ASSERT_EQ(request->request.extents().size(), 1u);
    EXPECT_EQ(request->request.extents()[0].size, 1u << 20);
    EXPECT_FALSE(request->request.extents()[0].is_hole);
    world.release(*request);
}

// 2,000 extents of 4 KiB, data and holes in turn.
constexpr uint32_t layout_count = 2000;
std::vector<io::Extent> alternating_layout() {
    std::vector<io::Extent> layout;
    for (uint32_t index = 0; index < layout_count; ++index) {
        layout.push_back({.size = 4096, .is_hole = index % 2 == 1});
    }
    return layout;
}

TEST(Disk, ExtentsBeginAtAnyByteAndEndAtTheRequest) {
    DiskWorld world({.size = layout_count * 4096, .alignment = 512, .hole_alignment = 4096},
                    alternating_layout());
    auto request = world.start(DiskCommand::extents, 4096 - 100, 4096 + 200);
    world.settle();
    ASSERT_TRUE(request->is_ok());
    const std::span<const io::Extent> extents = request->request.extents();
    ASSERT_EQ(extents.size(), 3u);
    EXPECT_EQ(extents[0].size, 100u);
    EXPECT_FALSE(extents[0].is_hole);
    EXPECT_EQ(extents[1].size, 4096u);
    EXPECT_TRUE(extents[1].is_hole);
    EXPECT_EQ(extents[2].size, 100u);
    EXPECT_FALSE(extents[2].is_hole);
    world.release(*request);
}

TEST(Disk, ExtentsEndAtTheirBound) {
    DiskWorld world({.size = layout_count * 4096}, alternating_layout());
    for (const uint32_t extents_max : {1u, disk_extents_max - 1, disk_extents_max}) {
        for (const uint32_t wanted :
             {1u, disk_extents_max - 1, disk_extents_max, disk_extents_max + 1}) {
            auto request = world.make(DiskCommand::extents, 4096, wanted * 4096);
            world.release(*request);  // That of a smaller bound.
            request->request.extents_max = extents_max;
            ASSERT_TRUE(world.disk.reserve(request->request));
            world.disk.submit(request->request);
            world.settle();
            ASSERT_TRUE(request->is_ok());
            const std::span<const io::Extent> extents = request->request.extents();
            ASSERT_EQ(extents.size(), std::min(wanted, extents_max));
            for (size_t index = 0; index < extents.size(); ++index) {
                ASSERT_EQ(extents[index].size, 4096u) << index;
                ASSERT_EQ(extents[index].is_hole, index % 2 == 0) << index;
            }
            world.release(*request);
        }
    }
}

// The blocks at the end of the export reach into bytes of the file that it does not show.
TEST(Disk, BytesBehindTheEndOfTheExportStay) {
    constexpr uint64_t shown = (1 << 20) + 5000;
    DiskWorld world({.size = test_disk_size, .alignment = 512, .hole_alignment = 4096}, {}, shown);
    std::ranges::fill(world.backend.bytes(), mark_b);
    std::vector<std::byte> expected = world.backend.bytes();
    const auto expect_bytes = [&](TestRequest& request) {
        world.settle();
        EXPECT_TRUE(request.is_ok());
        world.release(request);
        EXPECT_TRUE(world.backend.bytes() == expected);
    };
    for (const uint64_t size : {uint64_t(1), uint64_t(511), uint64_t(5000), uint64_t(70'000)}) {
        SCOPED_TRACE(size);
        const uint64_t offset = shown - size;
        const auto at = expected.begin() + ptrdiff_t(offset);
        std::fill_n(at, size, mark_a);
        expect_bytes(*world.write(offset, size, mark_a));
        auto read = world.start(DiskCommand::read, offset, size);
        world.settle();
        EXPECT_TRUE(std::ranges::equal(read->payload(), std::span(at, size)));
        world.release(*read);
        for (const bool keeps_blocks : {false, true}) {
            std::fill_n(at, size, std::byte(0));
            auto zeroes = world.make(DiskCommand::write_zeroes, offset, size);
            zeroes->request.keeps_blocks = keeps_blocks;
            world.disk.submit(zeroes->request);
            expect_bytes(*zeroes);
            std::fill_n(at, size, mark_a);
            expect_bytes(*world.write(offset, size, mark_a));
        }
        // A trim takes whole blocks alone.
        const uint64_t begin = (offset + 4095) / 4096 * 4096;
        const uint64_t end = shown / 4096 * 4096;
        if (begin < end) {
            std::fill(expected.begin() + ptrdiff_t(begin), expected.begin() + ptrdiff_t(end),
                      std::byte(0));
        }
        expect_bytes(*world.start(DiskCommand::trim, offset, size));
    }
}

TEST(Disk, ReserveTakesItsFootprintOrNothing) {
    DiskWorld world({.size = test_disk_size, .alignment = 4096, .hole_alignment = 4096});
    std::vector<std::unique_ptr<TestRequest>> held;
    for (uint64_t index = 0; index < 5; ++index) {
        held.push_back(world.make(DiskCommand::read, 0, 3 << 20));
        EXPECT_EQ(world.pool.used_size(), (index + 1) * world.disk.footprint(held[0]->request));
    }
    TestRequest last;
    last.request.lane = &world.lane;
    last.request.command = DiskCommand::write;
    last.request.offset = 1;
    last.request.size = (1 << 20) - 4096;
    EXPECT_EQ(world.disk.footprint(last.request), (1u << 20) + 8192);
    EXPECT_FALSE(world.disk.reserve(last.request)) << "the edge blocks do not fit any more";
    EXPECT_EQ(world.pool.used_size(), 15u << 20);
    for (auto& request : held) world.release(*request);
}

}  // namespace
}  // namespace blockd::storage
