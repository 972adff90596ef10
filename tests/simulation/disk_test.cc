// The simulated disk: what a power cut may leave, and what a sync makes sure of.
#include "simulation/disk.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace blockd::simulation {
namespace {

constexpr uint64_t disk_size = 64u << 10;
constexpr uint64_t sector_size = Disk::sector_size;

std::vector<std::byte> filled(uint8_t value, uint64_t size = sector_size) {
    return std::vector<std::byte>(size, std::byte(value));
}

uint8_t value_of(const Disk& disk, uint64_t offset) { return uint8_t(disk.bytes()[offset]); }

TEST(SimulatedDisk, APowerCutLeavesEachSectorAsItWasOrAsAnyLaterWriteMadeIt) {
    std::set<std::pair<uint8_t, uint8_t>> seen;
    for (uint64_t seed = 0; seed < 400; ++seed) {
        Disk disk(disk_size, seed);
        disk.write(0, filled(1, 2 * sector_size));
        disk.sync_all();
        disk.write(0, filled(2, 2 * sector_size));
        disk.write(0, filled(3, 2 * sector_size));
        disk.cut_power();
        seen.emplace(value_of(disk, 0), value_of(disk, sector_size));
    }
    EXPECT_EQ(seen.size(), 9u) << "1, 2 or 3 in each of the two";
    EXPECT_FALSE(seen.contains({0, 0}));
}

TEST(SimulatedDisk, ASyncCoversWhatWasWrittenBeforeItBegan) {
    std::set<uint8_t> seen;
    for (uint64_t seed = 0; seed < 100; ++seed) {
        Disk disk(disk_size, seed);
        disk.write(0, filled(1));
        const uint64_t began = disk.begin_sync();
        disk.write(0, filled(2));
        disk.end_sync(began);
        disk.cut_power();
        seen.insert(value_of(disk, 0));
    }
    EXPECT_EQ(seen, (std::set<uint8_t>{1, 2}));
}

TEST(SimulatedDisk, AFailedSyncDropsWhatWasVolatileAndSaysWhere) {
    bool was_dropped = false;
    for (uint64_t seed = 0; seed < 100; ++seed) {
        Disk disk(disk_size, seed);
        disk.write(0, filled(1));
        disk.sync_all();
        disk.write(0, filled(2));
        std::vector<std::pair<uint64_t, uint64_t>> changed;
        disk.drop_volatile(changed);
        EXPECT_EQ(changed.empty(), value_of(disk, 0) == 2);
        EXPECT_FALSE(disk.has_volatile());
        was_dropped = was_dropped || !changed.empty();
    }
    EXPECT_TRUE(was_dropped);
}

TEST(SimulatedDisk, ExtentsTellHolesFromData) {
    Disk disk(disk_size, 1);
    disk.write(4096, filled(1));
    std::array<io::Extent, 4> extents;
    ASSERT_EQ(disk.find_extents(0, disk_size, extents), 3u);
    EXPECT_TRUE(extents[0].is_hole);
    EXPECT_EQ(extents[0].size, 4096u);
    EXPECT_FALSE(extents[1].is_hole);
    EXPECT_EQ(extents[1].size, 4096u);
    EXPECT_TRUE(extents[2].is_hole);
    disk.punch(4096, 4096);
    EXPECT_EQ(disk.find_extents(0, disk_size, extents), 1u);
    EXPECT_EQ(value_of(disk, 4096), 0);
}

TEST(SimulatedDisk, AHoleThatAPowerCutUndoesIsDataAgain) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        Disk disk(disk_size, seed);
        disk.write(4096, filled(1, 4096));
        disk.sync_all();
        disk.punch(4096, 4096);
        disk.cut_power();
        std::array<io::Extent, 4> extents;
        disk.find_extents(4096, 4096, extents);
        bool is_zero = true;
        for (uint64_t at = 4096; at < 8192; ++at) is_zero = is_zero && value_of(disk, at) == 0;
        EXPECT_TRUE(is_zero || !extents[0].is_hole);
    }
}

TEST(SimulatedDisk, ABadSectorReadsAgainOnceItIsWritten) {
    Disk disk(disk_size, 1);
    disk.make_bad(1024, 512);
    EXPECT_TRUE(disk.is_bad(0, 4096));
    EXPECT_FALSE(disk.is_bad(0, 1024));
    disk.write(1024, filled(1));
    EXPECT_FALSE(disk.is_bad(0, 4096));
}

TEST(SimulatedDisk, ATruncatedFileReadsShortAndGrowsBackWithZeros) {
    Disk disk(disk_size, 1);
    disk.write(8192, filled(1));
    disk.truncate(8192);
    std::vector<std::byte> bytes(8192);
    EXPECT_EQ(disk.read(4096, bytes), 4096u);
    disk.restore_size();
    EXPECT_EQ(disk.read(8192, bytes), 8192u);
    EXPECT_EQ(value_of(disk, 8192), 0);
}

}  // namespace
}  // namespace blockd::simulation
