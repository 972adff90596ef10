#include "blockctl/size_text.h"

#include <gtest/gtest.h>

namespace blockd::blockctl {
namespace {

TEST(ParseSize, TakesPlainBytesAndBinaryUnits) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("4096"), 4096u);
    EXPECT_EQ(parse_size("4KiB"), 4096u);
    EXPECT_EQ(parse_size("3MiB"), 3u << 20);
    EXPECT_EQ(parse_size("1GiB"), 1u << 30);
    EXPECT_EQ(parse_size("2TiB"), uint64_t(2) << 40);
}

TEST(ParseSize, RefusesWhatCouldMeanTwoThings) {
    for (const char* const text : {"", " 1", "1 ", "1 KiB", "1K", "1k", "1KB", "1M", "1G", "1kib",
                                   "KiB", "-1", "+1", "1.5GiB", "0x10", "1KiB1", "1PiB", "1\n"}) {
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
    }
}

TEST(ParseSize, RefusesWhatPassesTheLargestOffset) {
    EXPECT_EQ(parse_size("9223372036854775807"), uint64_t(9223372036854775807));
    EXPECT_EQ(parse_size("9223372036854775808"), std::nullopt);
    EXPECT_EQ(parse_size("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_size("8388607TiB"), uint64_t(8388607) << 40);
    EXPECT_EQ(parse_size("8388608TiB"), std::nullopt);
}

TEST(FormatSize, IsExactWhereItCanBe) {
    EXPECT_EQ(format_size(0), "0 bytes");
    EXPECT_EQ(format_size(1), "1 byte");
    EXPECT_EQ(format_size(1023), "1023 bytes");
    EXPECT_EQ(format_size(4096), "4 KiB");
    EXPECT_EQ(format_size(uint64_t(3) << 40), "3 TiB");
}

TEST(FormatSize, GivesThreeDigitsElse) {
    EXPECT_EQ(format_size(1025), "1.00 KiB");
    EXPECT_EQ(format_size(1536), "1.50 KiB");
    EXPECT_EQ(format_size((50u << 20) + 600'000), "50.6 MiB");
    EXPECT_EQ(format_size((500u << 20) + 600'000), "501 MiB");
}

}  // namespace
}  // namespace blockd::blockctl
