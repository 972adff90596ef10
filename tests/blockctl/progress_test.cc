#include "blockctl/progress.h"

#include <gtest/gtest.h>

namespace blockd::blockctl {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t mebibyte = 1 << 20;

TEST(FormatDuration, ShowsHoursOnlyWhenThereAreAny) {
    EXPECT_EQ(format_duration(0), "0:00");
    EXPECT_EQ(format_duration(7), "0:07");
    EXPECT_EQ(format_duration(754), "12:34");
    EXPECT_EQ(format_duration(11109), "3:05:09");
}

TEST(ProgressMeter, RateAndTimeLeftFollowFromTheWindow) {
    ProgressMeter meter(1000 * mebibyte, 5 * second_ns);
    for (uint64_t tick = 1; tick <= 10; ++tick) {
        meter.update(tick * 10 * mebibyte, 5 * second_ns + tick * second_ns / 10);
    }
    EXPECT_EQ(meter.state().size_done, 100 * mebibyte);
    EXPECT_EQ(meter.state().rate, 100 * mebibyte);
    EXPECT_EQ(meter.state().eta_s, 9u);
}

// Goal: a server that slows down shows at once, not after as long as it was fast.
TEST(ProgressMeter, ForgetsWhatIsLongAgo) {
    ProgressMeter meter(100'000 * mebibyte, 0);
    uint64_t done = 0;
    uint64_t now_ns = 0;
    for (int tick = 0; tick < 100; ++tick) {
        done += 100 * mebibyte;
        now_ns += second_ns / 10;
        meter.update(done, now_ns);
    }
    EXPECT_EQ(meter.state().rate, 1000 * mebibyte);
    for (int tick = 0; tick < 50; ++tick) {
        done += mebibyte;
        now_ns += second_ns / 10;
        meter.update(done, now_ns);
    }
    EXPECT_EQ(meter.state().rate, 10 * mebibyte);
}

TEST(ProgressMeter, KnowsNoTimeLeftWhileNothingMoves) {
    ProgressMeter meter(mebibyte, 0);
    meter.update(0, second_ns);
    EXPECT_EQ(meter.state().rate, 0u);
    EXPECT_EQ(meter.state().eta_s, std::nullopt);
}

TEST(ProgressMeter, EndsWithTheRateOfTheWhole) {
    ProgressMeter meter(100 * mebibyte, 0);
    meter.update(mebibyte, second_ns);
    meter.finish(ProgressEnd::done, 100 * mebibyte, 4 * second_ns);
    EXPECT_EQ(meter.state().rate, 25 * mebibyte);
    EXPECT_EQ(meter.state().eta_s, 0u);
    EXPECT_TRUE(meter.state().is_done);
}

TEST(ProgressLine, ShowsBarSizesRateAndTimeLeft) {
    const ProgressState state = {.size_done = 512 * mebibyte,
                                 .size = 2048 * mebibyte,
                                 .rate = 128 * mebibyte,
                                 .eta_s = 12,
                                 .is_done = false};
    EXPECT_EQ(progress_line(state, 120),
              " 25% [=======                       ] 512 MiB of 2 GiB, 128 MiB/s, 0:12 left");
}

TEST(ProgressLine, NeverPassesTheTerminalsWidth) {
    const ProgressState state = {.size_done = 5, .size = 7, .rate = 3, .eta_s = 1};
    for (uint32_t columns = 0; columns < 150; ++columns) {
        ASSERT_LE(progress_line(state, columns).size(), columns);
    }
}

TEST(ProgressLine, OfAnEmptySourceIsComplete) {
    EXPECT_EQ(progress_line({.is_done = true}, 40).substr(0, 5), "100% ");
}

}  // namespace
}  // namespace blockd::blockctl
