// The transmission phase of the wire client.
#include <gtest/gtest.h>

#include "support/wire_client.h"

namespace blockd::support {
namespace {

constexpr uint32_t chunk_size_max = 64 << 20;

}  // namespace

uint64_t WireClient::send_request(const RequestFields& request, std::string_view payload) {
    RequestFields numbered = request;
    if (numbered.cookie == 0) numbered.cookie = ++cookie_last_;
    send(request_bytes(numbered));
    send(payload);
    return numbered.cookie;
}

Chunk WireClient::receive_chunk() {
    const std::string head = receive(20);
    if (is_broken_) return {};
    Chunk chunk = {.flags = read_u16(head, 4),
                   .type = read_u16(head, 6),
                   .cookie = read_u64(head, 8),
                   .payload = {}};
    const uint32_t size = read_u32(head, 16);
    if (read_u32(head, 0) != wire::structured_reply_magic || size > chunk_size_max) {
        fail("this is no chunk of a structured reply");
        return {};
    }
    chunk.payload = receive(size);
    return chunk;
}

// `request` tells how much data a READ brings, and where it starts. Chunks of other requests must
// not lie between: ask for one thing at a time, or take chunks one by one.
Answer WireClient::receive_answer(const RequestFields& request) {
    Answer answer;
    const std::string magic = receive(4);
    if (is_broken_) return answer;
    if (read_u32(magic, 0) == wire::structured_reply_magic) {
        receive_structured_rest(answer, request);
        return answer;
    }
    if (read_u32(magic, 0) != wire::simple_reply_magic) {
        fail("this is no reply");
        return answer;
    }
    const std::string head = receive(12);
    answer.error = read_u32(head, 0);
    answer.cookie = read_u64(head, 4);
    if (request.command == wire::cmd_read && answer.error == 0) answer.data = receive(request.size);
    answer.is_complete = !is_broken_;
    return answer;
}

void WireClient::receive_structured_rest(Answer& answer, const RequestFields& request) {
    answer.is_structured = true;
    uint64_t covered = 0;
    for (bool is_first = true; !is_broken_; is_first = false) {
        if (!is_first && read_u32(receive(4), 0) != wire::structured_reply_magic) {
            if (!is_broken_) fail("a structured reply has no end");
            return;
        }
        const std::string head = receive(16);
        if (is_broken_) return;
        Chunk chunk = {.flags = read_u16(head, 0),
                       .type = read_u16(head, 2),
                       .cookie = read_u64(head, 4),
                       .payload = {}};
        const uint32_t size = read_u32(head, 12);
        if (size > chunk_size_max) return fail("a chunk is too large");
        chunk.payload = receive(size);
        if (!is_first) {
            EXPECT_EQ(chunk.cookie, answer.cookie) << "the chunks of one reply";
        }
        answer.cookie = chunk.cookie;
        if (chunk.is_error()) {
            answer.error = read_u32(chunk.payload, 0);
            answer.text = chunk.payload.substr(6, read_u16(chunk.payload, 4));
        }
        if (request.command == wire::cmd_read) add_read_chunk(answer, chunk, request, covered);
        answer.chunks.push_back(std::move(chunk));
        if (answer.chunks.back().is_done()) break;
    }
    answer.is_complete = !is_broken_;
    if (request.command != wire::cmd_read || answer.error != 0) return;
    EXPECT_EQ(covered, request.size) << "the chunks of a READ cover it exactly";
}

// Chunks may come in any order, but lie within the request and do not overlap: so the sum of their
// sizes is the size of the request. Overlaps are found where two chunks start or end in one.
void WireClient::add_read_chunk(Answer& answer, const Chunk& chunk, const RequestFields& request,
                                uint64_t& covered) {
    if (chunk.type != wire::chunk_data && chunk.type != wire::chunk_hole) return;
    const bool is_data = chunk.type == wire::chunk_data;
    const uint64_t offset = read_u64(chunk.payload, 0);
    const uint64_t size = is_data ? chunk.payload.size() - 8 : read_u32(chunk.payload, 8);
    if (size == 0 || offset < request.offset || offset + size > request.offset + request.size) {
        return fail("a chunk of a READ is empty, or lies outside of the request");
    }
    if (answer.data.empty()) answer.data.assign(request.size, '\0');
    for (const Chunk& other : answer.chunks) {
        const uint64_t other_offset = read_u64(other.payload, 0);
        const uint64_t other_size =
            other.type == wire::chunk_data ? other.payload.size() - 8 : read_u32(other.payload, 8);
        EXPECT_TRUE(other_offset + other_size <= offset || offset + size <= other_offset)
            << "chunks overlap at " << offset;
    }
    covered += size;
    if (is_data) answer.data.replace(offset - request.offset, size, chunk.payload, 8);
}

Answer WireClient::request(const RequestFields& request, std::string_view payload) {
    const uint64_t cookie = send_request(request, payload);
    Answer answer = receive_answer(request);
    if (!is_broken_) {
        EXPECT_EQ(answer.cookie, cookie);
    }
    return answer;
}

Answer WireClient::read(uint64_t offset, uint32_t size, uint16_t flags) {
    return request({.command = wire::cmd_read, .flags = flags, .offset = offset, .size = size});
}

Answer WireClient::write(uint64_t offset, std::string_view data, uint16_t flags) {
    return request({.command = wire::cmd_write,
                    .flags = flags,
                    .offset = offset,
                    .size = static_cast<uint32_t>(data.size())},
                   data);
}

Answer WireClient::flush() { return request({.command = wire::cmd_flush}); }

Answer WireClient::trim(uint64_t offset, uint32_t size, uint16_t flags) {
    return request({.command = wire::cmd_trim, .flags = flags, .offset = offset, .size = size});
}

Answer WireClient::write_zeroes(uint64_t offset, uint32_t size, uint16_t flags) {
    return request(
        {.command = wire::cmd_write_zeroes, .flags = flags, .offset = offset, .size = size});
}

Answer WireClient::block_status(uint64_t offset, uint32_t size, uint16_t flags) {
    return request(
        {.command = wire::cmd_block_status, .flags = flags, .offset = offset, .size = size});
}

std::vector<BlockExtent> extents_of(const Answer& answer, uint32_t context_id) {
    std::vector<BlockExtent> extents;
    EXPECT_TRUE(answer.is_ok());
    EXPECT_EQ(answer.chunks.size(), 1u);
    if (answer.chunks.size() != 1) return extents;
    const Chunk& chunk = answer.chunks[0];
    EXPECT_EQ(chunk.type, wire::chunk_block_status);
    EXPECT_EQ(read_u32(chunk.payload, 0), context_id);
    EXPECT_EQ(chunk.payload.size() % 8, 4u);
    for (size_t position = 4; position + 8 <= chunk.payload.size(); position += 8) {
        extents.push_back({.size = read_u32(chunk.payload, position),
                           .flags = read_u32(chunk.payload, position + 4)});
    }
    return extents;
}

}  // namespace blockd::support
