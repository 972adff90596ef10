// Replies of the transmission phase, as the client reads them: simple and structured.
//
// Bytes in, finished requests out: it knows no socket, clock or thread, and allocates nothing. It
// trusts nothing: a chunk outside its request, an overlap, a gap, a reply that nobody waits for
// and every other lie is Error{protocol}, after which failure() tells what the server did and
// nothing more is to be fed.
//
//     feed what was received; or, when direct_target() is not empty, receive the next bytes of the
//     stream straight into it and tell direct_received(): the data of a READ then goes to the
//     caller's buffer without a copy.
#pragma once

#include <blockd/error.h>
#include <blockd/nbd_reply.h>
#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace blockd::nbd {

class ReplySink {
  public:
    virtual ~ReplySink() = default;

    // The request with this cookie; nullptr when none waits.
    virtual PendingReply* find(uint64_t cookie) = 0;

    // The reply is whole. `pending.error` tells how it went, `error_text` what the server said of
    // it (UTF-8 or not; it may be empty). The parser forgets the request before the call.
    virtual void reply_done(PendingReply& pending, std::string_view error_text) = 0;
};

class ReplyParser {
  public:
    struct Options {
        bool has_structured_replies = false;
        bool has_base_allocation = false;
        uint32_t base_allocation_id = 0;
    };

    // `sink` outlives the parser.
    ReplyParser(ReplySink& sink, const Options& options);

    // Takes all of `bytes`, in pieces of any size.
    Result<Ok> feed(std::span<const std::byte> bytes);

    // Where the next bytes of the stream belong when they are the data of a READ; else empty.
    std::span<std::byte> direct_target() const;
    Result<Ok> direct_received(size_t size);

    const char* failure() const { return failure_; }  // A literal; "" while nothing failed.

  private:
    static constexpr size_t error_text_kept_max = 256;

    enum class Phase : uint8_t {
        magic,
        simple_head,
        chunk_head,
        data_offset,
        data,
        hole,
        context_id,
        descriptor,
        error,
        error_text,
        skipped,  // What follows an error's text.
    };

    Result<Ok> gather(std::span<const std::byte>& bytes);
    Result<Ok> take_data(std::span<const std::byte>& bytes);
    void take_error_text(std::span<const std::byte>& bytes);
    Result<Ok> item_done();
    Result<Ok> magic_done();
    Result<Ok> simple_head_done();
    Result<Ok> chunk_head_done();
    Result<Ok> start_chunk_payload(ChunkType type);
    Result<Ok> data_offset_done();
    Result<Ok> hole_done();
    Result<Ok> context_id_done();
    Result<Ok> descriptor_done();
    Result<Ok> error_done();
    Result<Ok> chunk_done();
    Result<Ok> cover(uint64_t offset, uint64_t size);
    Result<Ok> check_finished();
    void finish();
    void expect(Phase phase, size_t size);
    Result<Ok> fail(const char* failure);

    ReplySink& sink_;
    const Options options_;
    const char* failure_ = "";

    Phase phase_ = Phase::magic;
    size_t wanted_size_ = 0;    // Of the item that comes now,
    size_t gathered_size_ = 0;  // of which this much is there.
    std::array<std::byte, sizeof(ChunkHeader)> item_{};

    PendingReply* pending_ = nullptr;  // Whose reply is being read.
    bool is_last_chunk_ = false;
    uint32_t payload_rest_size_ = 0;  // Of the chunk, behind the item that comes now.
    std::span<std::byte> data_target_;

    // The last text that came, and whose it is: the chunks of several replies may take turns.
    const PendingReply* error_text_owner_ = nullptr;
    size_t error_text_size_ = 0;
    std::array<char, error_text_kept_max> error_text_{};
};

}  // namespace blockd::nbd
