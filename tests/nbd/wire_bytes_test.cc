#include "nbd/wire_bytes.h"

#include "nbd/wire_text.h"

#include <gtest/gtest.h>

#include <string>

namespace blockd::nbd {
namespace {

using namespace std::string_view_literals;

TEST(WireReader, TakesNothingWhenTooLittleIsLeft) {
    const Bytes bytes = WireBuilder().be32(7).be16(1).bytes();
    WireReader reader(bytes);
    EXPECT_FALSE(reader.take<be64>());
    EXPECT_EQ(uint32_t(*reader.take<be32>()), 7u);
    EXPECT_FALSE(reader.take<be32>());
    EXPECT_FALSE(reader.take_text(3));
    EXPECT_EQ(uint16_t(*reader.take<be16>()), 1u);
    EXPECT_TRUE(reader.is_at_end());
}

TEST(WireReader, RefusesASizedTextThatIsLongerThanTheBytes) {
    for (const uint32_t size : {5u, 0x7fffffffu, 0xffffffffu}) {
        const Bytes bytes = WireBuilder().be32(size).text("demo").bytes();
        EXPECT_FALSE(WireReader(bytes).take_sized_text()) << size;
    }
    const Bytes bytes = WireBuilder().be32(4).text("demo").bytes();
    EXPECT_EQ(*WireReader(bytes).take_sized_text(), "demo");
}

TEST(Utf8, AcceptsEveryLengthOfSequence) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("demo"));
    EXPECT_TRUE(is_utf8("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf"));
    EXPECT_TRUE(is_utf8("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
}

TEST(Utf8, RefusesMalformedSequences) {
    for (const std::string_view text :
         {"\x80"sv, "\xff"sv, "\xc3"sv, "\xc3("sv, "\xe2\x82"sv, "\xf0\x9f\x92"sv, "\xc0\x80"sv,
          "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xf0\x8f\xbf\xbf"sv,  // overlong
          "\xed\xa0\x80"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv}) {
        EXPECT_FALSE(is_utf8(text)) << hex(bytes_of(text));
    }
}

TEST(WireString, HoldsNoNulAndAtMost4096Bytes) {
    EXPECT_TRUE(is_wire_string(std::string(4096, 'x')));
    EXPECT_FALSE(is_wire_string(std::string(4097, 'x')));
    EXPECT_FALSE(is_wire_string("a\0b"sv));
}

TEST(Utf8, FrontCutsNoSequence) {
    EXPECT_EQ(utf8_front("abc", 3), "abc");
    EXPECT_EQ(utf8_front("abcd", 3), "abc");
    EXPECT_EQ(utf8_front("a\xe2\x82\xac", 3), "a");
    EXPECT_EQ(utf8_front("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
}

}  // namespace
}  // namespace blockd::nbd
