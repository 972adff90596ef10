#include "daemon/escape.h"
#include "nbd/printable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace blockd::daemon {
namespace {

TEST(Escape, TextOfAnyScriptPasses) {
    for (const char* const text : {"demo", "диск", "磁盘", "дiск-1 ü", "\xf0\x9f\x92\xbe"}) {
        EXPECT_EQ(nbd::printable(text), text);
        EXPECT_EQ(escape_json(text), std::string("\"") + text + '"');
    }
}

TEST(Escape, LinesCannotBeForged) {
    EXPECT_EQ(nbd::printable("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
    EXPECT_EQ(escape_field("a\nb"), "\"a\\x0ab\"");
    EXPECT_EQ(escape_json("a\nb"), "\"a\\u000ab\"");
    EXPECT_EQ(nbd::printable(std::string_view("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(escape_json(std::string_view("a\0b", 3)), "\"a\\u0000b\"");
}

TEST(Escape, TerminalsCannotBeSteered) {
    EXPECT_EQ(nbd::printable("\x1b[2J"), "\\x1b[2J");
    EXPECT_EQ(nbd::printable("\x7f"), "\\x7f");
    EXPECT_EQ(nbd::printable("\xc2\x9b"
                             "2J"),
              "\\xc2\\x9b2J");                                     // CSI as one C1 character.
    EXPECT_EQ(nbd::printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // Right-to-left override.
    EXPECT_EQ(nbd::printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // Line separator.
    EXPECT_EQ(escape_json("\xe2\x80\xa8"), "\"\\u2028\"");
}

TEST(Escape, BytesThatAreNotUtf8AreShownAsBytes) {
    EXPECT_EQ(nbd::printable("\xff"), "\\xff");
    EXPECT_EQ(nbd::printable("\xc0\xaf"), "\\xc0\\xaf");                    // Overlong.
    EXPECT_EQ(nbd::printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // Overlong.
    EXPECT_EQ(nbd::printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // A surrogate.
    EXPECT_EQ(nbd::printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // Above U+10FFFF.
    EXPECT_EQ(nbd::printable("\xe2\x82"), "\\xe2\\x82");                    // Cut off.
    EXPECT_EQ(escape_json("a\xff"), "\"a\\ufffd\"");
}

TEST(Escape, AFieldIsQuotedUnlessItIsOnePlainWord) {
    EXPECT_EQ(escape_field("unix:/run/blockd.sock"), "unix:/run/blockd.sock");
    EXPECT_EQ(escape_field("[::1]:10809"), "[::1]:10809");
    EXPECT_EQ(escape_field(""), "\"\"");
    EXPECT_EQ(escape_field("a b"), "\"a b\"");
    EXPECT_EQ(escape_field("a=b"), "\"a=b\"");
    EXPECT_EQ(escape_field("say \"hi\\\""), "\"say \\\"hi\\\\\\\"\"");
}

TEST(Escape, NoBytesMakeASecondLineOrEndAQuotedField) {
    const uint32_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int32_t round = 0; round < 2000; ++round) {
        std::string bytes(random() % 24, '\0');
        std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
        for (const std::string& text :
             {nbd::printable(bytes), escape_field(bytes), escape_json(bytes)}) {
            EXPECT_TRUE(std::none_of(text.begin(), text.end(), [](char character) {
                const uint8_t byte = static_cast<uint8_t>(character);
                return byte < 0x20 || byte == 0x7f;
            }));
        }
        const std::string field = escape_field(bytes);
        if (field[0] != '"') continue;
        for (size_t index = 1; index + 1 < field.size(); ++index) {
            if (field[index] == '\\') {
                ++index;
                EXPECT_LT(index, field.size() - 1) << "the closing quote is escaped";
            } else {
                EXPECT_NE(field[index], '"') << "a quote inside is not escaped";
            }
        }
    }
}

}  // namespace
}  // namespace blockd::daemon
