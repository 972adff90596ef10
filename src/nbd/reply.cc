#include "nbd/reply.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {

static_assert(ReplyHead::size_max <= UINT8_MAX);

namespace {

void append(ReplyHead& head, std::span<const std::byte> bytes) {
    ASSERT(bytes.size() <= head.bytes.size() - head.size);
    if (!bytes.empty()) std::memcpy(head.bytes.data() + head.size, bytes.data(), bytes.size());
    head.size = uint8_t(head.size + bytes.size());
}

struct Chunk {
    ChunkType type;
    uint64_t cookie;
    uint32_t payload_size;
    ChunkPosition position = ChunkPosition::last;
};

void start_chunk(ReplyHead& head, const Chunk& chunk) {
    head.size = 0;
    const ChunkHeader header = {
        .magic = structured_reply_magic,
        .flags = chunk.position == ChunkPosition::last ? chunk_flag_done : uint16_t(0),
        .type = uint16_t(chunk.type),
        .cookie = chunk.cookie,
        .size = chunk.payload_size,
    };
    append(head, bytes_of(header));
}

}  // namespace

void write_simple_reply(ReplyHead& head, uint64_t cookie, WireError error) {
    head.size = 0;
    const SimpleReplyHeader header = {
        .magic = simple_reply_magic, .error = uint32_t(error), .cookie = cookie};
    append(head, bytes_of(header));
}

void write_none_chunk(ReplyHead& head, uint64_t cookie) {
    start_chunk(head, {.type = ChunkType::none, .cookie = cookie, .payload_size = 0});
}

void write_error_chunk(ReplyHead& head, uint64_t cookie, WireError error, std::string_view text,
                       std::optional<uint64_t> offset) {
    ASSERT(error != WireError::none);
    const std::string_view front = utf8_front(text, error_text_size_max);
    const size_t offset_size = offset ? sizeof(be64) : 0;
    start_chunk(head,
                {.type = offset ? ChunkType::error_offset : ChunkType::error,
                 .cookie = cookie,
                 .payload_size = uint32_t(sizeof(ErrorPayload) + front.size() + offset_size)});
    const ErrorPayload payload = {.error = uint32_t(error), .text_size = uint16_t(front.size())};
    append(head, bytes_of(payload));
    append(head, bytes_of(front));
    if (offset) append(head, bytes_of(be64(*offset)));
}

void write_offset_data_chunk(ReplyHead& head, const DataChunk& chunk) {
    ASSERT(chunk.size > 0);  // The specification asks for at least one byte.
    start_chunk(head, {.type = ChunkType::offset_data,
                       .cookie = chunk.cookie,
                       .payload_size = uint32_t(sizeof(be64)) + chunk.size,
                       .position = chunk.position});
    append(head, bytes_of(be64(chunk.offset)));
}

void write_offset_hole_chunk(ReplyHead& head, const DataChunk& chunk) {
    ASSERT(chunk.size > 0);
    start_chunk(head, {.type = ChunkType::offset_hole,
                       .cookie = chunk.cookie,
                       .payload_size = sizeof(HolePayload),
                       .position = chunk.position});
    append(head, bytes_of(HolePayload{.offset = chunk.offset, .size = chunk.size}));
}

void write_block_status_chunk(ReplyHead& head, uint64_t cookie, uint32_t context_id,
                              uint32_t descriptor_count) {
    ASSERT(descriptor_count > 0);
    ASSERT(descriptor_count <= block_descriptors_max);
    const uint32_t descriptors_size = descriptor_count * uint32_t(sizeof(BlockDescriptor));
    start_chunk(head, {.type = ChunkType::block_status,
                       .cookie = cookie,
                       .payload_size = uint32_t(sizeof(be32)) + descriptors_size});
    append(head, bytes_of(be32(context_id)));
}

}  // namespace blockd::nbd
