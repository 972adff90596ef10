// What a client is answered.
#include <algorithm>

#include "simulation/client.h"

namespace blockd::simulation {

namespace wire = support::wire;

namespace {

constexpr size_t simple_head_size = 16;
constexpr size_t chunk_head_size = 20;
constexpr uint16_t chunk_error_bit = 0x8000;
constexpr size_t judged_hole_max = 64u << 10;

// An unknown type has no payload that could be judged, and no place in a reply.
size_t least_payload(uint16_t type) {
    if (type == wire::chunk_none) return 0;
    if (type == wire::chunk_data) return 9;
    if (type == wire::chunk_hole) return 12;
    if (type == wire::chunk_block_status) return 12;
    return (type & chunk_error_bit) != 0 ? 6 : SIZE_MAX;
}

}  // namespace

Client::Request* Client::request_of(uint64_t cookie) {
    const size_t slot = cookie & 0xffff;
    if (slot >= requests_.size() || !requests_[slot].is_outstanding ||
        requests_[slot].cookie != cookie) {
        complain("got a reply to a request that waits for none");
        return nullptr;
    }
    return &requests_[slot];
}

void Client::take_replies() {
    while (state_ == State::serving && unread().size() >= 4 && !surroundings_.is_broken()) {
        const uint32_t magic = support::read_u32(unread(), 0);
        if (magic == wire::simple_reply_magic) {
            if (!take_simple_reply()) return;
        } else if (magic == wire::structured_reply_magic && is_structured_) {
            if (!take_chunk()) return;
        } else {
            return complain("got bytes that are no reply");
        }
    }
}

bool Client::take_simple_reply() {
    if (unread().size() < simple_head_size) return false;
    const uint32_t error = support::read_u32(unread(), 4);
    Request* const request = request_of(support::read_u64(unread(), 8));
    if (request == nullptr) return false;
    const bool has_data = request->command == wire::cmd_read && error == 0;
    const size_t data_size = has_data ? request->size : 0;
    if (has_data && is_structured_) {
        complain("got a simple reply to a READ, though it had asked for structured ones");
        return false;
    }
    if (unread().size() < simple_head_size + data_size) return false;
    if (has_data && !request->must_fail) {
        const std::string_view data = unread().substr(simple_head_size, data_size);
        const std::string found = surroundings_.history.judge_read(request->sent, request->offset,
                                                                   std::as_bytes(std::span(data)));
        if (!found.empty()) complain("read: " + found);
        surroundings_.figures.bytes_read += data_size;
    }
    input_begin_ += simple_head_size + data_size;
    answer(*request, error);
    return true;
}

bool Client::take_chunk() {
    if (unread().size() < chunk_head_size) return false;
    const uint32_t size = support::read_u32(unread(), 16);
    if (unread().size() < chunk_head_size + size) return false;
    const uint16_t flags = support::read_u16(unread(), 4);
    const uint16_t type = support::read_u16(unread(), 6);
    Request* const request = request_of(support::read_u64(unread(), 8));
    if (request == nullptr) return false;
    const std::string_view payload = unread().substr(chunk_head_size, size);
    if (size < least_payload(type)) {
        complain("got a chunk that is too short for its type");
        return false;
    }
    if ((type & chunk_error_bit) != 0) {
        request->error = std::max<uint32_t>(1, support::read_u32(payload, 0));
    } else if (type == wire::chunk_data || type == wire::chunk_hole) {
        take_read_chunk(*request, type, payload);
    } else if (type == wire::chunk_block_status) {
        take_status_chunk(*request, payload);
    }
    input_begin_ += chunk_head_size + size;
    if ((flags & wire::chunk_done) == 0) return true;

    const bool is_read = request->command == wire::cmd_read;
    if (is_read && request->error == 0 && request->covered != request->size) {
        complain("got only " + std::to_string(request->covered) + " of the bytes of a READ");
    }
    if (request->command == wire::cmd_block_status && request->error == 0 &&
        request->covered == 0) {
        complain("got a BLOCK_STATUS without an extent");
    }
    answer(*request, request->error);
    return true;
}

// The server sends them in order, which makes it easy to see that each byte comes once.
void Client::take_read_chunk(Request& request, uint16_t type, std::string_view payload) {
    const uint64_t offset = support::read_u64(payload, 0);
    const bool is_hole = type == wire::chunk_hole;
    const uint64_t size = is_hole ? support::read_u32(payload, 8) : payload.size() - 8;
    if (request.command != wire::cmd_read || offset != request.offset + request.covered ||
        size == 0 || request.covered + size > request.size) {
        return complain("got a chunk of a READ that is not its own");
    }
    if ((request.flags & wire::flag_df) != 0 && size != request.size) {
        return complain("got a part of a READ that it had asked for in one piece");
    }
    request.covered += size;
    surroundings_.figures.bytes_read += size;
    const std::string zeros(is_hole ? size : 0, '\0');
    const std::string_view data = is_hole ? std::string_view(zeros) : payload.substr(8);
    const std::string found =
        surroundings_.history.judge_read(request.sent, offset, std::as_bytes(std::span(data)));
    if (!found.empty()) complain("read: " + found);
}

// A hole reads as zeros: so zeros must be what may stand there.
void Client::take_status_chunk(Request& request, std::string_view payload) {
    if (request.command != wire::cmd_block_status || support::read_u32(payload, 0) != context_id_) {
        return complain("got a status of something else");
    }
    const size_t count = (payload.size() - 4) / 8;
    const bool is_one = (request.flags & wire::flag_req_one) != 0;
    if (is_one && count != 1) complain("got several extents where it had asked for one");
    for (size_t index = 0; index < count; ++index) {
        const uint64_t size = support::read_u32(payload, 4 + 8 * index);
        const uint32_t state = support::read_u32(payload, 8 + 8 * index);
        const uint64_t offset = request.offset + request.covered;
        request.covered += size;
        if (size == 0 || offset + size > export_size_ ||
            (request.covered > request.size && (is_one || index + 1 < count))) {
            return complain("got an extent beyond its request");
        }
        if ((state & wire::state_zero) == 0) continue;
        const std::string zeros(std::min<uint64_t>(size, judged_hole_max), '\0');
        const std::string found =
            surroundings_.history.judge_read(request.sent, offset, std::as_bytes(std::span(zeros)));
        if (!found.empty()) complain("block status: " + found);
    }
}

}  // namespace blockd::simulation
