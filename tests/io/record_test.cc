// Every struct of a record lies in the file exactly so: the third witness beside docs/record.md
// and the structs.
#include "io/record.h"

#include <gtest/gtest.h>

#include <bit>
#include <array>
#include <string>

namespace blockd::io {
namespace {

template <typename T>
std::string hex(const T& value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : std::bit_cast<std::array<std::byte, sizeof(T)>>(value)) {
        if (!text.empty()) text += ' ';
        text += digits[static_cast<size_t>(byte) >> 4];
        text += digits[static_cast<size_t>(byte) & 15];
    }
    return text;
}

TEST(Record, HeaderIsMagicVersionReserved) {
    EXPECT_EQ(hex(RecordHeader{record_magic, record_version, 0}),
              "42 4b 52 45 43 4f 52 44 01 00 00 00 00 00 00 00");
}

TEST(Record, EntryIsMagicKindSequenceOperationFilePayloadOffsetSizeResult) {
    const RecordEntry entry = {.magic = record_entry_magic,
                               .kind = static_cast<uint16_t>(RecordKind::done),
                               .reserved = 0,
                               .sequence = 0x0102030405060708,
                               .operation = 0x1112131415161718,
                               .file = 0x21222324,
                               .payload_size = 0x31323334,
                               .offset = 0x4142434445464748,
                               .size = 0x5152535455565758,
                               .result = static_cast<uint64_t>(int64_t{-5})};
    EXPECT_EQ(hex(entry),
              "45 54 52 59 07 00 00 00 08 07 06 05 04 03 02 01 18 17 16 15 14 13 12 11 "
              "24 23 22 21 34 33 32 31 48 47 46 45 44 43 42 41 58 57 56 55 54 53 52 51 "
              "fb ff ff ff ff ff ff ff");
}

TEST(Record, PieceIsSizeRecordedSize) {
    EXPECT_EQ(hex(RecordPiece{0x00100000, record_piece_size_max}), "00 00 10 00 00 10 00 00");
}

TEST(Record, KindsAreNumbered) {
    EXPECT_EQ(uint16_t(RecordKind::file), 1);
    EXPECT_EQ(uint16_t(RecordKind::write), 2);
    EXPECT_EQ(uint16_t(RecordKind::punch_hole), 3);
    EXPECT_EQ(uint16_t(RecordKind::zero_range), 4);
    EXPECT_EQ(uint16_t(RecordKind::sync), 5);
    EXPECT_EQ(uint16_t(RecordKind::send), 6);
    EXPECT_EQ(uint16_t(RecordKind::done), 7);
    EXPECT_EQ(uint16_t(RecordKind::connected), 8);
    EXPECT_EQ(uint16_t(RecordKind::closed), 9);
    EXPECT_EQ(uint16_t(RecordKind::end), 10);
}

}  // namespace
}  // namespace blockd::io
