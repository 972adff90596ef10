#include "crash/cut_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace blockd::crash {
namespace {

constexpr Region region = {.offset = 0, .size = 4 * sector_size};

std::string filled(char byte) { return std::string(sector_size, byte); }

const std::string base = filled('0') + filled('1') + filled('2') + filled('3');
const std::string a = filled('a') + filled('A');
const std::string b = filled('b') + filled('B');

// What the sectors hold, a letter each.
std::string letters(const std::string& image) {
    std::string text;
    for (size_t place = 0; place < image.size(); place += sector_size) {
        EXPECT_EQ(image.substr(place, sector_size), filled(image[place])) << "torn in a sector";
        text += image[place] == '\0' ? '.' : image[place];
    }
    return text;
}

// Every disk that the cut may leave.
std::set<std::string> disks_of(const CutDisk& disk) {
    std::set<std::string> found;
    const uint64_t bits = disk.open_count() * 4;
    for (uint64_t choice = 0; choice < uint64_t{1} << bits; ++choice) {
        found.insert(letters(disk.image([choice](size_t index, uint64_t sector) {
            return (choice >> (index * 4 + sector) & 1) != 0;
        })));
    }
    return found;
}

using Disks = std::set<std::string>;

TEST(CutDisk, EachSectorOfAnOpenChangeMayBeThereOrNot) {
    const std::vector<DiskChange> changes = {
        {.offset = 512, .size = 1024, .data = a, .submitted = 3, .completed = 4}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, {}, 2)), (Disks{"0123"}));
    for (const uint64_t cut : {3u, 4u, 100u}) {
        EXPECT_EQ(disks_of(CutDisk(base, region, changes, {}, cut)),
                  (Disks{"0123", "0a23", "01A3", "0aA3"}));
    }
}

TEST(CutDisk, ASyncKeepsWhatWasDoneBeforeItWasAskedFor) {
    const std::vector<DiskChange> changes = {
        {.offset = 0, .size = 1024, .data = a, .submitted = 1, .completed = 3},
        {.offset = 1024, .size = 1024, .data = b, .submitted = 2, .completed = 6}};
    const std::vector<DiskSync> syncs = {{.submitted = 4, .completed = 8}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, syncs, 7)).size(), 16u);
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, syncs, 8)),
              (Disks{"aA23", "aAb3", "aA2B", "aAbB"}));
    const std::vector<DiskSync> failed = {{.submitted = 4, .completed = never}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, failed, 100)).size(), 16u);
}

// "Never a suffix only": the drive keeps what it likes, whatever the order.
TEST(CutDisk, ALaterChangeMaySurviveAnEarlierOne) {
    const std::vector<DiskChange> changes = {
        {.offset = 0, .size = 1024, .data = a, .submitted = 1, .completed = 2},
        {.offset = 512, .size = 1024, .data = b, .submitted = 3, .completed = 4}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, {}, 4)),
              (Disks{"0123", "a123", "0A23", "aA23", "0b23", "ab23", "01B3", "a1B3", "0AB3", "aAB3",
                     "0bB3", "abB3"}));
}

TEST(CutDisk, PunchesAndZeroingsAreChanges) {
    const std::vector<DiskChange> changes = {
        {.offset = 0, .size = 2048, .submitted = 1, .completed = 2}};
    const std::vector<DiskSync> syncs = {{.submitted = 3, .completed = 4}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, {}, 2)).size(), 16u);
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, syncs, 4)), Disks{"...."});
}

TEST(CutDisk, AFailedChangeIsNeverDurableAndMayHaveHappened) {
    const std::vector<DiskChange> changes = {
        {.offset = 0, .size = 1024, .data = a, .submitted = 1, .completed = 2, .has_failed = true},
        {.offset = 512, .size = 1024, .data = b, .submitted = 3, .completed = 4}};
    const std::vector<DiskSync> syncs = {{.submitted = 5, .completed = 6}};
    EXPECT_EQ(disks_of(CutDisk(base, region, changes, syncs, 6)), (Disks{"0bB3", "abB3"}));
}

TEST(CutDisk, KeepsToItsRegion) {
    const Region part = {.offset = 512, .size = 1024};
    const std::vector<DiskChange> changes = {
        {.offset = 0, .size = 1024, .data = a, .submitted = 1, .completed = 2},
        {.offset = 1024, .size = 1024, .data = b, .submitted = 3, .completed = 4}};
    const CutDisk disk(std::string_view(base).substr(512, 1024), part, changes, {}, 4);
    EXPECT_EQ(letters(disk.image([](size_t, uint64_t) { return true; })), "Ab");
}

TEST(CutDisk, ModesAreWhatTheyAreCalled) {
    const std::string one(sector_size, 'x');
    std::vector<DiskChange> changes;
    for (uint64_t index = 0; index < 4; ++index) {
        changes.push_back({.offset = index * sector_size,
                           .size = sector_size,
                           .data = one,
                           .submitted = 1 + index});
    }
    const CutDisk disk(base, region, changes, {}, 9);
    Random random(1);
    const auto survivors = [&](CutMode mode) {
        const std::string text = letters(cut_image(disk, mode, random));
        return std::count(text.begin(), text.end(), 'x');
    };
    std::set<int64_t> some;
    std::set<int64_t> torn;
    for (int round = 0; round < 300; ++round) {
        ASSERT_EQ(survivors(CutMode::none), 0);
        ASSERT_EQ(survivors(CutMode::all), 4);
        ASSERT_EQ(survivors(CutMode::one_lost), 3);
        ASSERT_EQ(survivors(CutMode::one_survivor), 1);
        some.insert(survivors(CutMode::some));
        torn.insert(survivors(CutMode::torn));
    }
    EXPECT_EQ(some.size(), 5u);
    EXPECT_EQ(torn.size(), 5u);
}

}  // namespace
}  // namespace blockd::crash
