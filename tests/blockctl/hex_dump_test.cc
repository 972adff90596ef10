#include "blockctl/hex_dump.h"

#include <gtest/gtest.h>

#include <string_view>

namespace blockd::blockctl {
namespace {

std::string dump(std::string_view text, uint64_t offset) {
    return hex_dump(std::as_bytes(std::span(text)), offset);
}

TEST(HexDump, HasTheFormOfHexdumpC) {
    EXPECT_EQ(dump("0123456789abcdef", 0),
              "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n");
}

TEST(HexDump, PadsTheLastLineAndHidesControlCharacters) {
    EXPECT_EQ(dump(std::string_view("A\0\x1b\xff", 4), 4096),
              "00001000  41 00 1b ff                                       |A...|\n");
}

TEST(HexDump, CountsOnFromTheOffset) {
    const std::string text = dump(std::string(17, 'x'), 0x123456789a);
    EXPECT_EQ(text.substr(0, 12), "123456789a  ");
    EXPECT_NE(text.find("\n12345678aa  78 "), std::string::npos);
}

TEST(HexDump, OfNothingIsEmpty) { EXPECT_EQ(dump("", 0), ""); }

}  // namespace
}  // namespace blockd::blockctl
