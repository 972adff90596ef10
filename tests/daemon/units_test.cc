#include "daemon/units.h"

#include <gtest/gtest.h>

namespace blockd::daemon {
namespace {

TEST(Units, SizesArePowersOf1024) {
    EXPECT_EQ(parse_size("0B"), 0u);
    EXPECT_EQ(parse_size("512B"), 512u);
    EXPECT_EQ(parse_size("4KiB"), 4096u);
    EXPECT_EQ(parse_size("64MiB"), 64u << 20);
    EXPECT_EQ(parse_size("1GiB"), 1u << 30);
    EXPECT_EQ(parse_size("2TiB"), uint64_t(2) << 40);
    EXPECT_EQ(parse_size("3PiB"), uint64_t(3) << 50);
}

TEST(Units, ASizeIsDigitsAndAUnitAndNothingElse) {
    for (const char* const text :
         {"", "1024", "GiB", "-1GiB", "+1GiB", "1 GiB", "1.5GiB", " 1GiB", "1GiB ", "1gib", "1GB",
          "1G", "1KB", "0x10B", "1GiBB", "1EiB", "1GiB\n"}) {
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
    }
    EXPECT_EQ(parse_size(std::string_view("1GiB\0", 5)), std::nullopt);
}

TEST(Units, ASizeThatDoesNotFitIn64BitsIsRefused) {
    EXPECT_EQ(parse_size("18446744073709551615B"), UINT64_MAX);
    EXPECT_EQ(parse_size("18446744073709551616B"), std::nullopt);
    EXPECT_EQ(parse_size("16383PiB"), uint64_t(16383) << 50);
    EXPECT_EQ(parse_size("16384PiB"), std::nullopt);
    EXPECT_EQ(parse_size("99999999999999999999999999B"), std::nullopt);
}

TEST(Units, TimesReachFromMicrosecondsToHours) {
    EXPECT_EQ(parse_duration_ns("250us"), 250'000u);
    EXPECT_EQ(parse_duration_ns("500ms"), 500'000'000u);
    EXPECT_EQ(parse_duration_ns("10s"), 10'000'000'000u);
    EXPECT_EQ(parse_duration_ns("5min"), 300'000'000'000u);
    EXPECT_EQ(parse_duration_ns("2h"), 7'200'000'000'000u);
}

TEST(Units, ATimeIsDigitsAndAUnitAndNothingElse) {
    for (const char* const text :
         {"", "10", "s", "10S", "10 s", "1.5s", "-1s", "10m", "1d", "10ns", "10sec", "5124096h"}) {
        EXPECT_EQ(parse_duration_ns(text), std::nullopt) << text;
    }
}

TEST(Units, TextIsInTheLargestUnitThatGivesAWholeNumber) {
    EXPECT_EQ(size_text(0), "0B");
    EXPECT_EQ(size_text(1023), "1023B");
    EXPECT_EQ(size_text(1536), "1536B");
    EXPECT_EQ(size_text(64u << 20), "64MiB");
    EXPECT_EQ(size_text(34u << 20), "34MiB");
    EXPECT_EQ(duration_text(1'500'000'000), "1500ms");
    EXPECT_EQ(duration_text(60'000'000'000), "1min");
    EXPECT_EQ(duration_text(86'400'000'000'000), "24h");
}

TEST(Units, TextOfASizeParsesBack) {
    for (uint64_t size = 1; size < uint64_t(1) << 62; size = size * 3 + 1) {
        EXPECT_EQ(parse_size(size_text(size)), size);
    }
}

}  // namespace
}  // namespace blockd::daemon
