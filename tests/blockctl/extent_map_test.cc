#include "blockctl/extent_map.h"

#include <blockd/nbd_wire.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace blockd::blockctl {
namespace {

using testing::ElementsAre;

constexpr uint32_t hole = nbd::allocation_hole | nbd::allocation_zero;

TEST(ExtentMap, JoinsNeighboursOfOneKindAcrossAnswers) {
    ExtentMap map(100);
    map.append(10, 0);
    map.append(20, 0);
    map.append(30, hole);
    map.append(40, hole);
    EXPECT_THAT(map.extents(), ElementsAre(MappedExtent{0, 30, 0}, MappedExtent{30, 70, hole}));
    EXPECT_TRUE(map.is_complete());
}

TEST(ExtentMap, LeavesOutWhatRunsPastTheEnd) {
    ExtentMap map(100);
    map.append(60, 0);
    EXPECT_FALSE(map.is_complete());
    map.append(4096, hole);
    map.append(4096, 0);
    EXPECT_THAT(map.extents(), ElementsAre(MappedExtent{0, 60, 0}, MappedExtent{60, 40, hole}));
    EXPECT_EQ(map.mapped_size(), 100u);
}

TEST(ExtentMap, OfNothingIsComplete) {
    const ExtentMap map(0);
    EXPECT_TRUE(map.is_complete());
    EXPECT_THAT(map.extents(), ElementsAre());
}

// Goal: the map must not depend on where the server cut its answers.
// Method: cut one random map at random places, and demand the same map.
TEST(ExtentMap, IsTheSameWhereverAnswersAreCut) {
    const uint32_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 200; ++round) {
        ExtentMap whole(1 << 20);
        ExtentMap cut(1 << 20);
        while (!whole.is_complete()) {
            const uint64_t size = 1 + random() % 100'000;
            const uint32_t flags = random() % 4;
            whole.append(size, flags);
            const uint64_t front = random() % size;
            if (front > 0) cut.append(front, flags);
            cut.append(size - front, flags);
        }
        ASSERT_EQ(whole.extents(), cut.extents());
    }
}

TEST(AllocationName, NamesTheFourKinds) {
    EXPECT_STREQ(allocation_name(0), "data");
    EXPECT_STREQ(allocation_name(nbd::allocation_hole), "hole");
    EXPECT_STREQ(allocation_name(nbd::allocation_zero), "zero");
    EXPECT_STREQ(allocation_name(hole), "hole,zero");
}

}  // namespace
}  // namespace blockd::blockctl
