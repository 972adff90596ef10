#include <blockd/nbd_wire.h>

#include "nbd/wire_text.h"

#include <gtest/gtest.h>

namespace blockd::nbd {
namespace {

// Every struct lies on the wire exactly so: the third witness beside docs/nbd.md and the struct.

TEST(NbdWire, GreetingIsNbdmagicIhaveoptFlags) {
    EXPECT_EQ(hex(bytes_of(Greeting{greeting_magic, option_magic, 3})),
              "4e 42 44 4d 41 47 49 43 49 48 41 56 45 4f 50 54 00 03");
}

TEST(NbdWire, OptionHeaderIsMagicOptionSize) {
    EXPECT_EQ(hex(bytes_of(OptionHeader{option_magic, uint32_t(Option::go), 0x01020304})),
              "49 48 41 56 45 4f 50 54 00 00 00 07 01 02 03 04");
}

TEST(NbdWire, OptionReplyHeaderIsMagicOptionTypeSize) {
    EXPECT_EQ(hex(bytes_of(OptionReplyHeader{option_reply_magic, uint32_t(Option::list),
                                             uint32_t(OptionReply::error_policy), 5})),
              "00 03 e8 89 04 55 65 a9 00 00 00 03 80 00 00 02 00 00 00 05");
}

TEST(NbdWire, InfoExportIsTypeSizeFlags) {
    EXPECT_EQ(hex(bytes_of(InfoExport{0, 0x0102030405060708, 0x0d6d})),
              "00 00 01 02 03 04 05 06 07 08 0d 6d");
}

TEST(NbdWire, InfoBlockSizeIsTypeMinimumPreferredMaximum) {
    EXPECT_EQ(hex(bytes_of(InfoBlockSize{3, 1, 4096, payload_size_max})),
              "00 03 00 00 00 01 00 00 10 00 02 00 00 00");
}

TEST(NbdWire, ExportNameReplyIsSizeFlags) {
    EXPECT_EQ(hex(bytes_of(ExportNameReply{0x1122334455667788, 0x0003})),
              "11 22 33 44 55 66 77 88 00 03");
    EXPECT_EQ(export_name_padding_size, 124u);
}

TEST(NbdWire, RequestHeaderIsMagicFlagsCommandCookieOffsetSize) {
    EXPECT_EQ(hex(bytes_of(RequestHeader{request_magic, command_flag::fua, uint16_t(Command::write),
                                         0xaabbccddeeff0011, 0x0102030405060708, 0x1000})),
              "25 60 95 13 00 01 00 01 aa bb cc dd ee ff 00 11 01 02 03 04 05 06 07 08 "
              "00 00 10 00");
}

TEST(NbdWire, SimpleReplyHeaderIsMagicErrorCookie) {
    EXPECT_EQ(hex(bytes_of(SimpleReplyHeader{simple_reply_magic, uint32_t(WireError::no_space),
                                             0x0102030405060708})),
              "67 44 66 98 00 00 00 1c 01 02 03 04 05 06 07 08");
}

TEST(NbdWire, ChunkHeaderIsMagicFlagsTypeCookieSize) {
    EXPECT_EQ(hex(bytes_of(ChunkHeader{structured_reply_magic, chunk_flag_done,
                                       uint16_t(ChunkType::error), 0x0102030405060708, 6})),
              "66 8e 33 ef 00 01 80 01 01 02 03 04 05 06 07 08 00 00 00 06");
}

TEST(NbdWire, HolePayloadIsOffsetSize) {
    EXPECT_EQ(hex(bytes_of(HolePayload{0x0102030405060708, 0x10000})),
              "01 02 03 04 05 06 07 08 00 01 00 00");
}

TEST(NbdWire, ErrorPayloadIsErrorTextSize) {
    EXPECT_EQ(hex(bytes_of(ErrorPayload{uint32_t(WireError::io), 0x0203})), "00 00 00 05 02 03");
}

TEST(NbdWire, BlockDescriptorIsSizeFlags) {
    EXPECT_EQ(hex(bytes_of(BlockDescriptor{0x200, allocation_hole | allocation_zero})),
              "00 00 02 00 00 00 00 03");
}

TEST(NbdWire, NumbersAreThoseOfTheSpecification) {
    EXPECT_EQ(uint32_t(Option::set_meta_context), 10u);
    EXPECT_EQ(uint32_t(OptionReply::error_too_big), 0x80000009u);
    EXPECT_EQ(uint16_t(Command::block_status), 7u);
    EXPECT_EQ(transmission_flag::send_fast_zero, 1u << 11);
    EXPECT_EQ(command_flag::fast_zero, 1u << 4);
    EXPECT_EQ(uint16_t(ChunkType::error_offset), 0x8002u);
    EXPECT_EQ(uint32_t(WireError::shutting_down), 108u);
}

}  // namespace
}  // namespace blockd::nbd
