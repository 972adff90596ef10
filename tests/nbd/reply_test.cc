#include "nbd/reply.h"

#include "nbd/wire_text.h"

#include <gtest/gtest.h>

#include <string>

namespace blockd::nbd {
namespace {

constexpr uint64_t cookie = 0x0102030405060708;

TEST(Reply, SimpleReplyIsSixteenBytes) {
    ReplyHead head;
    write_simple_reply(head, cookie, WireError::invalid);
    EXPECT_EQ(hex(head.span()), "67 44 66 98 00 00 00 16 01 02 03 04 05 06 07 08");
}

TEST(Reply, NoneChunkIsDoneAndEmpty) {
    ReplyHead head;
    write_none_chunk(head, cookie);
    EXPECT_EQ(hex(head.span()), "66 8e 33 ef 00 01 00 00 01 02 03 04 05 06 07 08 00 00 00 00");
}

TEST(Reply, ErrorChunkCarriesItsText) {
    ReplyHead head;
    write_error_chunk(head, cookie, WireError::io, "ab");
    EXPECT_EQ(hex(head.span()),
              "66 8e 33 ef 00 01 80 01 01 02 03 04 05 06 07 08 00 00 00 08 00 00 00 05 00 02 "
              "61 62");
}

TEST(Reply, ErrorChunkOfAReadTellsItsOffsetBehindTheText) {
    ReplyHead head;
    write_error_chunk(head, cookie, WireError::io, "ab", 0x1122334455667788);
    EXPECT_EQ(hex(head.span()),
              "66 8e 33 ef 00 01 80 02 01 02 03 04 05 06 07 08 00 00 00 10 00 00 00 05 00 02 "
              "61 62 11 22 33 44 55 66 77 88");
}

TEST(Reply, ErrorTextIsCutAtItsBoundWithoutBreakingUtf8) {
    ReplyHead head;
    write_error_chunk(head, cookie, WireError::io, std::string(5000, 'x'), 77);
    EXPECT_EQ(head.size, ReplyHead::size_max);
    constexpr size_t size_max = ReplyHead::size_max - sizeof(be64);
    write_error_chunk(head, cookie, WireError::io, std::string(error_text_size_max, 'x'));
    EXPECT_EQ(head.size, size_max);
    write_error_chunk(head, cookie, WireError::io, std::string(5000, 'x'));
    EXPECT_EQ(head.size, size_max);
    write_error_chunk(head, cookie, WireError::io,
                      std::string(error_text_size_max - 1, 'x') + "\xe2\x82\xac");
    EXPECT_EQ(head.size, size_max - 1);
}

TEST(Reply, DataChunkCountsItsOffsetIntoThePayload) {
    ReplyHead head;
    write_offset_data_chunk(
        head, {.cookie = cookie, .offset = 0x200, .size = 0x1000, .position = ChunkPosition::last});
    EXPECT_EQ(hex(head.span()),
              "66 8e 33 ef 00 01 00 01 01 02 03 04 05 06 07 08 00 00 10 08 "
              "00 00 00 00 00 00 02 00");
}

TEST(Reply, HoleChunkThatIsNotLastLacksDone) {
    ReplyHead head;
    write_offset_hole_chunk(head, {.cookie = cookie,
                                   .offset = 0x200,
                                   .size = 0x1000,
                                   .position = ChunkPosition::more_follow});
    EXPECT_EQ(hex(head.span()),
              "66 8e 33 ef 00 00 00 02 01 02 03 04 05 06 07 08 00 00 00 0c "
              "00 00 00 00 00 00 02 00 00 00 10 00");
}

TEST(Reply, BlockStatusChunkCountsTheDescriptorsThatFollow) {
    ReplyHead head;
    write_block_status_chunk(head, cookie, 1, 3);
    EXPECT_EQ(hex(head.span()),
              "66 8e 33 ef 00 01 00 05 01 02 03 04 05 06 07 08 00 00 00 1c 00 00 00 01");
}

TEST(Reply, AHeadIsWrittenAfreshEachTime) {
    ReplyHead head;
    write_error_chunk(head, cookie, WireError::io, "long text");
    write_simple_reply(head, cookie, WireError::none);
    EXPECT_EQ(head.size, sizeof(SimpleReplyHeader));
}

}  // namespace
}  // namespace blockd::nbd
