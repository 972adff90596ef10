#include "nbd/reply_parser.h"

#include "nbd/wire_bytes.h"

#include <algorithm>
#include <utility>

namespace blockd::nbd {

static_assert(sizeof(SimpleReplyHeader) <= sizeof(ChunkHeader));
static_assert(sizeof(HolePayload) <= sizeof(ChunkHeader));
static_assert(payload_size_max <= UINT32_MAX - sizeof(be64), "a chunk's size has room for both");

namespace {

bool is_block_status_size(uint32_t size) {
    if (size < sizeof(be32) + sizeof(BlockDescriptor)) return false;
    const size_t descriptors_size = size - sizeof(be32);
    return descriptors_size % sizeof(BlockDescriptor) == 0 &&
           descriptors_size / sizeof(BlockDescriptor) <= block_descriptors_max;
}

}  // namespace

ReplyParser::ReplyParser(ReplySink& sink, const Options& options) : sink_(sink), options_(options) {
    expect(Phase::magic, sizeof(be32));
}

Result<Ok> ReplyParser::feed(std::span<const std::byte> bytes) {
    ASSERT(*failure_ == '\0');
    while (!bytes.empty()) {
        Result<Ok> result = Ok();
        switch (phase_) {
            case Phase::data: result = take_data(bytes); break;
            case Phase::error_text:
            case Phase::skipped:
                take_error_text(bytes);
                if (gathered_size_ == wanted_size_) result = item_done();
                break;
            default: result = gather(bytes); break;
        }
        if (!result) return result;
    }
    return Ok();
}

std::span<std::byte> ReplyParser::direct_target() const {
    return phase_ == Phase::data ? data_target_ : std::span<std::byte>();
}

Result<Ok> ReplyParser::direct_received(size_t size) {
    ASSERT(phase_ == Phase::data);
    ASSERT(size <= data_target_.size());
    data_target_ = data_target_.subspan(size);
    return data_target_.empty() ? chunk_done() : Ok();
}

Result<Ok> ReplyParser::take_data(std::span<const std::byte>& bytes) {
    const size_t size = std::min(bytes.size(), data_target_.size());
    std::memcpy(data_target_.data(), bytes.data(), size);
    bytes = bytes.subspan(size);
    return direct_received(size);
}

// A text may be longer than what is kept of it.
void ReplyParser::take_error_text(std::span<const std::byte>& bytes) {
    const size_t size = std::min(bytes.size(), wanted_size_ - gathered_size_);
    if (phase_ == Phase::error_text) {
        const size_t kept_size = std::min(size, error_text_.size() - error_text_size_);
        std::memcpy(error_text_.data() + error_text_size_, bytes.data(), kept_size);
        error_text_size_ += kept_size;
    }
    gathered_size_ += size;
    bytes = bytes.subspan(size);
}

Result<Ok> ReplyParser::gather(std::span<const std::byte>& bytes) {
    const size_t size = std::min(bytes.size(), wanted_size_ - gathered_size_);
    std::memcpy(item_.data() + gathered_size_, bytes.data(), size);
    gathered_size_ += size;
    bytes = bytes.subspan(size);
    return gathered_size_ == wanted_size_ ? item_done() : Ok();
}

Result<Ok> ReplyParser::item_done() {
    switch (phase_) {
        case Phase::magic: return magic_done();
        case Phase::simple_head: return simple_head_done();
        case Phase::chunk_head: return chunk_head_done();
        case Phase::data_offset: return data_offset_done();
        case Phase::hole: return hole_done();
        case Phase::context_id: return context_id_done();
        case Phase::descriptor: return descriptor_done();
        case Phase::error: return error_done();
        case Phase::error_text:
            expect(Phase::skipped, payload_rest_size_);
            return payload_rest_size_ == 0 ? chunk_done() : Ok();
        case Phase::skipped: return chunk_done();
        case Phase::data: break;
    }
    ASSERT(false);
    return Ok();
}

// The magic stays in item_, as the front of the header that it belongs to.
Result<Ok> ReplyParser::magic_done() {
    const uint32_t magic = *WireReader(item_).take<be32>();
    if (magic == simple_reply_magic) {
        phase_ = Phase::simple_head;
        wanted_size_ = sizeof(SimpleReplyHeader);
        return Ok();
    }
    if (magic != structured_reply_magic) return fail("it sent a reply with a wrong magic");
    if (!options_.has_structured_replies) {
        return fail("it sent a structured reply, which was not negotiated");
    }
    phase_ = Phase::chunk_head;
    wanted_size_ = sizeof(ChunkHeader);
    return Ok();
}

Result<Ok> ReplyParser::simple_head_done() {
    const SimpleReplyHeader header = *WireReader(item_).take<SimpleReplyHeader>();
    pending_ = sink_.find(header.cookie);
    if (pending_ == nullptr) return fail("it answered a request that nobody waits for");
    is_last_chunk_ = true;
    const WireError error = WireError(uint32_t(header.error));
    const bool is_read = pending_->command == Command::read;
    if (options_.has_structured_replies && is_read) {
        return fail("it answered a read with a simple reply, though structured ones were agreed");
    }
    if (pending_->command == Command::block_status && error == WireError::none) {
        return fail("it answered a block status request with a simple reply");
    }
    if (pending_->error == WireError::none) pending_->error = error;
    if (!is_read || error != WireError::none || pending_->size == 0) {
        finish();
        return Ok();
    }
    phase_ = Phase::data;
    return cover(pending_->offset, pending_->size);
}

Result<Ok> ReplyParser::chunk_head_done() {
    const ChunkHeader header = *WireReader(item_).take<ChunkHeader>();
    pending_ = sink_.find(header.cookie);
    if (pending_ == nullptr) return fail("it answered a request that nobody waits for");
    is_last_chunk_ = (header.flags & chunk_flag_done) != 0;
    payload_rest_size_ = header.size;
    return start_chunk_payload(ChunkType(uint16_t(header.type)));
}

// Checks the payload's size against the chunk's type, and says what comes first.
Result<Ok> ReplyParser::start_chunk_payload(ChunkType type) {
    const uint32_t size = payload_rest_size_;
    const bool is_read = pending_->command == Command::read;
    if ((uint16_t(type) & chunk_type_error_bit) != 0) {
        if (size < sizeof(ErrorPayload)) return fail("it sent an error chunk that is too short");
        expect(Phase::error, sizeof(ErrorPayload));
        return Ok();
    }
    switch (type) {
        case ChunkType::none:
            if (size != 0) return fail("it sent an empty chunk with a payload");
            if (!is_last_chunk_) return fail("it sent an empty chunk that is not the last");
            return chunk_done();
        case ChunkType::offset_data:
            if (!is_read) return fail("it sent data for a request that reads none");
            if (size <= sizeof(be64)) return fail("it sent a data chunk without data");
            expect(Phase::data_offset, sizeof(be64));
            return Ok();
        case ChunkType::offset_hole:
            if (!is_read) return fail("it sent a hole for a request that reads none");
            if (size != sizeof(HolePayload)) return fail("it sent a hole chunk of a wrong size");
            expect(Phase::hole, sizeof(HolePayload));
            return Ok();
        case ChunkType::block_status:
            if (pending_->command != Command::block_status || !options_.has_base_allocation) {
                return fail("it sent a block status that nobody asked for");
            }
            if (pending_->has_status) return fail("it sent a second status for one context");
            if (!is_block_status_size(size)) return fail("it sent a block status of a wrong size");
            expect(Phase::context_id, sizeof(be32));
            return Ok();
        default: return fail("it sent a chunk of an unknown type");
    }
}

Result<Ok> ReplyParser::data_offset_done() {
    const uint64_t offset = *WireReader(item_).take<be64>();
    phase_ = Phase::data;
    return cover(offset, payload_rest_size_);
}

Result<Ok> ReplyParser::hole_done() {
    const HolePayload hole = *WireReader(item_).take<HolePayload>();
    if (hole.size == 0) return fail("it sent a hole of no bytes");
    const Result<Ok> covered = cover(hole.offset, hole.size);
    if (!covered) return covered;
    std::memset(data_target_.data(), 0, data_target_.size());
    return chunk_done();
}

Result<Ok> ReplyParser::context_id_done() {
    const uint32_t id = *WireReader(item_).take<be32>();
    if (id != options_.base_allocation_id) return fail("it sent the status of an unknown context");
    pending_->has_status = true;
    expect(Phase::descriptor, sizeof(BlockDescriptor));
    return Ok();
}

Result<Ok> ReplyParser::descriptor_done() {
    const BlockDescriptor descriptor = *WireReader(item_).take<BlockDescriptor>();
    if (descriptor.size == 0) return fail("it sent a block status of no bytes");
    if (pending_->extents_size >= pending_->size) {
        return fail("it sent a block status that goes on past the request");
    }
    const bool has_one_only = (pending_->flags & command_flag::request_one) != 0;
    const uint32_t rest_size = uint32_t(pending_->size - pending_->extents_size);
    if (has_one_only && descriptor.size > rest_size) {
        return fail("it sent a single extent that is longer than the request");
    }
    if (has_one_only && payload_rest_size_ > 0) {
        return fail("it sent several extents where one was asked for");
    }
    if (pending_->extents_count < pending_->extents.size()) {
        const uint32_t size = std::min<uint32_t>(descriptor.size, rest_size);
        pending_->extents[pending_->extents_count++] = {size, descriptor.flags};
    }
    pending_->extents_size += descriptor.size;
    if (payload_rest_size_ == 0) return chunk_done();
    expect(Phase::descriptor, sizeof(BlockDescriptor));
    return Ok();
}

// Error chunks of types that nobody knows begin alike; what follows their text is skipped.
Result<Ok> ReplyParser::error_done() {
    const ErrorPayload payload = *WireReader(item_).take<ErrorPayload>();
    if (payload.text_size > payload_rest_size_) {
        return fail("it sent an error text that is longer than its chunk");
    }
    const WireError error = WireError(uint32_t(payload.error));
    if (error == WireError::none) return fail("it sent an error chunk without an error");
    if (pending_->error == WireError::none) pending_->error = error;
    error_text_owner_ = pending_;
    error_text_size_ = 0;
    expect(Phase::error_text, payload.text_size);
    return payload.text_size == 0 ? item_done() : Ok();
}

// Points data_target_ at the bytes, once they are known to be the request's and new.
Result<Ok> ReplyParser::cover(uint64_t offset, uint64_t size) {
    ASSERT(size > 0);
    if (offset < pending_->offset || size > pending_->size ||
        offset - pending_->offset > pending_->size - size) {
        return fail("it sent data from outside the range that was read");
    }
    const uint32_t begin = uint32_t(offset - pending_->offset);
    switch (pending_->covered.add(begin, begin + uint32_t(size))) {
        case CoveredRanges::Added::ok:
            data_target_ = std::span(pending_->buffer + begin, size);
            return Ok();
        case CoveredRanges::Added::overlap: return fail("it sent the same data twice");
        case CoveredRanges::Added::too_scattered: break;
    }
    return fail("it sent the pieces of a read too far out of order");
}

Result<Ok> ReplyParser::chunk_done() {
    if (!is_last_chunk_) {
        pending_ = nullptr;
        expect(Phase::magic, sizeof(be32));
        return Ok();
    }
    const Result<Ok> finished = check_finished();
    if (finished) finish();
    return finished;
}

Result<Ok> ReplyParser::check_finished() {
    if (pending_->error != WireError::none) return Ok();
    if (pending_->command == Command::read && !pending_->covered.is_exactly(pending_->size)) {
        return fail("it left out a part of the data that was read");
    }
    if (pending_->command == Command::block_status && !pending_->has_status) {
        return fail("it answered a block status request without a status");
    }
    return Ok();
}

void ReplyParser::finish() {
    PendingReply& finished = *std::exchange(pending_, nullptr);
    expect(Phase::magic, sizeof(be32));
    const bool has_text = error_text_owner_ == &finished;
    if (has_text) error_text_owner_ = nullptr;
    const std::string_view text(error_text_.data(), error_text_size_);
    sink_.reply_done(finished, has_text ? text : std::string_view());
}

void ReplyParser::expect(Phase phase, size_t size) {
    const bool is_in_payload = phase != Phase::magic && phase != Phase::skipped;
    if (is_in_payload) {
        ASSERT(size <= payload_rest_size_);
        payload_rest_size_ -= uint32_t(size);
    }
    phase_ = phase;
    wanted_size_ = size;
    gathered_size_ = 0;
}

Result<Ok> ReplyParser::fail(const char* failure) {
    failure_ = failure;
    return Error{ErrorCode::protocol, 0, "read reply"};
}

}  // namespace blockd::nbd
