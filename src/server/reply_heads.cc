#include "server/reply_heads.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cstring>

namespace blockd::server {

namespace {

// A block of zeros is sent as a hole, whether the disk has one there or zeros: 32 bytes instead of
// the block. Data differs from zero in its first bytes as a rule, so the question costs nothing.
bool is_all_zero(std::span<const std::byte> bytes) {
    constexpr size_t probe_size = 16;
    const auto is_zero = [](std::byte value) { return value == std::byte(0); };
    if (bytes.size() <= probe_size) return std::ranges::all_of(bytes, is_zero);
    return std::ranges::all_of(bytes.first(probe_size), is_zero) &&
           std::memcmp(bytes.data(), bytes.data() + probe_size, bytes.size() - probe_size) == 0;
}

void set_head(storage::Buffer& buffer, const nbd::ReplyHead& head) {
    ASSERT(head.size <= storage::Buffer::head_size_max);
    std::ranges::copy(head.span(), buffer.head.begin());
    buffer.head_size = head.size;
}

// One chunk per buffer: data, or a hole.
void write_read_chunks(RequestSlot& slot) {
    uint64_t offset = slot.request.offset;
    for (storage::Buffer* buffer = slot.disk.buffers.front(); buffer;) {
        storage::Buffer* const next = storage::BufferList::next(*buffer);
        const nbd::DataChunk chunk = {
            .cookie = slot.request.cookie,
            .offset = offset,
            .size = buffer->payload_size,
            .position = next ? nbd::ChunkPosition::more_follow : nbd::ChunkPosition::last};
        offset += buffer->payload_size;

        nbd::ReplyHead head;
        if (is_all_zero(buffer->payload())) {
            nbd::write_offset_hole_chunk(head, chunk);
            buffer->payload_size = 0;
        } else {
            nbd::write_offset_data_chunk(head, chunk);
        }
        set_head(*buffer, head);
        buffer = next;
    }
    slot.head.size = 0;
}

void write_read_reply(RequestSlot& slot, const ReplyFormat& format) {
    slot.has_data = true;
    if (!format.is_structured) {
        return nbd::write_simple_reply(slot.head, slot.request.cookie, nbd::WireError::none);
    }
    if ((slot.request.flags & nbd::command_flag::dont_fragment) == 0) {
        return write_read_chunks(slot);
    }
    nbd::write_offset_data_chunk(slot.head, {.cookie = slot.request.cookie,
                                             .offset = slot.request.offset,
                                             .size = slot.request.size,
                                             .position = nbd::ChunkPosition::last});
}

// The extents become descriptors in the memory in which they lie.
void write_block_status_reply(RequestSlot& slot, const ReplyFormat& format) {
    static_assert(sizeof(nbd::BlockDescriptor) <= sizeof(io::Extent));
    storage::Buffer& buffer = *slot.disk.buffers.front();
    std::byte* target = buffer.data;
    const std::span<const io::Extent> extents = slot.disk.extents();
    for (const io::Extent extent : extents) {
        const nbd::BlockDescriptor descriptor = {
            .size = uint32_t(extent.size),
            .flags = extent.is_hole ? nbd::allocation_hole | nbd::allocation_zero : 0};
        std::memcpy(target, &descriptor, sizeof(descriptor));
        target += sizeof(descriptor);
    }
    buffer.payload_offset = 0;
    buffer.payload_size = uint32_t(target - buffer.data);
    slot.has_data = true;
    nbd::write_block_status_chunk(slot.head, slot.request.cookie, format.base_allocation_id,
                                  uint32_t(extents.size()));
}

}  // namespace

void write_error_reply(RequestSlot& slot, const ReplyFormat& format, nbd::WireError error,
                       std::string_view text, std::optional<uint64_t> offset) {
    ASSERT(error != nbd::WireError::none);
    slot.has_data = false;
    if (format.is_structured) {
        nbd::write_error_chunk(slot.head, slot.request.cookie, error, text, offset);
    } else {
        nbd::write_simple_reply(slot.head, slot.request.cookie, error);
    }
}

void write_success_reply(RequestSlot& slot, const ReplyFormat& format) {
    slot.has_data = false;
    const bool has_size = slot.request.size > 0;
    if (slot.request.command == nbd::Command::read && has_size) {
        return write_read_reply(slot, format);
    }
    if (slot.request.command == nbd::Command::block_status) {
        return write_block_status_reply(slot, format);
    }
    if (format.is_structured) {
        nbd::write_none_chunk(slot.head, slot.request.cookie);
    } else {
        nbd::write_simple_reply(slot.head, slot.request.cookie, nbd::WireError::none);
    }
}

}  // namespace blockd::server
