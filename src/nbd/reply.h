// The heads of replies, as the server writes them: the bytes that go before the data.
#pragma once

#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace blockd::nbd {

inline constexpr size_t error_text_size_max = 100;

// Bytes before a reply's data; large enough for every head there is.
struct ReplyHead {
    static constexpr size_t size_max =
        sizeof(ChunkHeader) + sizeof(ErrorPayload) + error_text_size_max + sizeof(be64);
    std::array<std::byte, size_max> bytes;
    uint8_t size = 0;

    std::span<const std::byte> span() const { return std::span(bytes).first(size); }
};

enum class ChunkPosition : uint8_t { more_follow, last };

void write_simple_reply(ReplyHead& head, uint64_t cookie, WireError error);

// Success without data.
void write_none_chunk(ReplyHead& head, uint64_t cookie);

// `text` is cut to error_text_size_max bytes. `offset`: of a READ, where it failed; bytes from the
// start of the export.
void write_error_chunk(ReplyHead& head, uint64_t cookie, WireError error, std::string_view text,
                       std::optional<uint64_t> offset = {});

struct DataChunk {
    uint64_t cookie;
    uint64_t offset;  // Bytes from the start of the export.
    uint32_t size;    // Bytes of data, which follow the head (offset_data), or read as zeros.
    ChunkPosition position;
};
void write_offset_data_chunk(ReplyHead& head, const DataChunk& chunk);
void write_offset_hole_chunk(ReplyHead& head, const DataChunk& chunk);

// `descriptor_count` BlockDescriptors follow the head.
void write_block_status_chunk(ReplyHead& head, uint64_t cookie, uint32_t context_id,
                              uint32_t descriptor_count);

}  // namespace blockd::nbd
