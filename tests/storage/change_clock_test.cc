#include "storage/change_clock.h"

#include <gtest/gtest.h>

namespace blockd::storage {
namespace {

TEST(ChangeClock, KnowsWhatChangedSinceAMoment) {
    ChangeClock clock;
    const uint64_t start = clock.now();
    EXPECT_FALSE(clock.has_changed(7, start));
    clock.change(7, 9);
    EXPECT_TRUE(clock.has_changed(7, start));
    EXPECT_TRUE(clock.has_changed(8, start));
    EXPECT_FALSE(clock.has_changed(6, start));
    EXPECT_FALSE(clock.has_changed(9, start));
    EXPECT_FALSE(clock.has_changed(7, clock.now()));
}

TEST(ChangeClock, ALargeChangeChangesEverything) {
    ChangeClock clock;
    const uint64_t start = clock.now();
    clock.change(10, 10 + change_clock_places - 1);
    EXPECT_FALSE(clock.has_changed(9, start)) << "just below the bound";
    clock.change(10, 10 + change_clock_places);
    EXPECT_TRUE(clock.has_changed(9, start));
    EXPECT_FALSE(clock.has_changed(9, clock.now()));
}

TEST(ChangeClock, BlocksThatShareAPlaceChangeTogether) {
    ChangeClock clock;
    const uint64_t start = clock.now();
    clock.change(3, 4);
    EXPECT_TRUE(clock.has_changed(3 + change_clock_places, start));
}

}  // namespace
}  // namespace blockd::storage
