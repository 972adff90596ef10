// The server's half of the fixed newstyle negotiation, from the greeting to the transmission phase.
//
// Bytes in, bytes out: it knows no socket, clock or thread. One object serves one connection.
//
//     feed what was received -> send what output() holds -> consume_output() -> ... until status()
//     is no longer negotiating. Then send the rest of output() first; bytes that feed() did not
//     take belong to the transmission phase.
#pragma once

#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace blockd::nbd {

// Data of one option that is understood. A longer one of a known option is answered with TOO_BIG
// (EXPORT_NAME: closed), an unknown option with UNSUP, once its data was skipped.
inline constexpr uint32_t option_data_size_max = 16 << 10;
// Data of one option that is skipped; past it the connection closes.
inline constexpr uint32_t option_skip_size_max = 1 << 20;
// Options of one handshake; past it the connection closes.
inline constexpr uint32_t options_per_handshake_max = 128;

// An export as the negotiation shows it.
struct ExportDescription {
    std::string_view name;         // At most string_size_max bytes of UTF-8, without NUL.
    std::string_view description;  // The same; may be empty.
    uint64_t size = 0;             // Bytes.
    uint16_t flags = 0;            // transmission_flag bits, without send_df.
    uint32_t block_size_minimum = 1;
    uint32_t block_size_preferred = 4096;
    uint32_t block_size_maximum = payload_size_max;
};

// The exports that a client may see. It stays unchanged while a handshake runs.
class ExportDirectory {
  public:
    static constexpr size_t none = SIZE_MAX;

    virtual ~ExportDirectory() = default;
    virtual size_t count() const = 0;
    virtual ExportDescription describe(size_t index) const = 0;
    // The empty name finds the default export. `none` when there is no such export.
    virtual size_t find(std::string_view name) const = 0;
    // Whether a client may ask what exports there are; else it has to know the name.
    virtual bool allows_list() const = 0;
};

class ServerHandshake {
  public:
    enum class Status : uint8_t {
        negotiating,
        transmission,  // Agreed: negotiated() is valid.
        aborted,       // The client took its leave: send the output, then close.
        broken,        // The client broke the protocol, or a limit: close. reason() says which.
    };

    struct Negotiated {
        size_t export_index = 0;
        bool has_structured_replies = false;
        bool has_base_allocation = false;  // BLOCK_STATUS is answered for "base:allocation".
        uint32_t base_allocation_id = 0;
        uint16_t flags = 0;  // As sent to the client, send_df included.
    };

    // The greeting is in output() from the start. `directory` outlives the handshake.
    explicit ServerHandshake(const ExportDirectory& directory);

    // Takes bytes as they arrive, in pieces of any size; returns how many it took. It takes fewer
    // when the negotiation has ended, or when output() must be sent first.
    size_t feed(std::span<const std::byte> bytes);

    // Answers every further option with ERR_SHUTDOWN.
    void shut_down();

    // What is to be sent now. May be followed by more once it was consumed. The bytes stay where
    // they are until consume_output(), so that a send may run while feed() is called.
    std::span<const std::byte> output() const;
    void consume_output(size_t size);

    Status status() const { return status_; }
    const Negotiated& negotiated() const { return negotiated_; }
    const char* reason() const { return reason_; }  // A literal, for the log; "" unless broken.

    // Bytes that the object occupies now, buffers included.
    size_t memory_size() const { return sizeof(*this) + data_.capacity(); }

  private:
    // The largest piece of an answer that is written at once.
    static constexpr size_t output_size_max =
        sizeof(OptionReplyHeader) + sizeof(be32) + string_size_max;

    enum class Phase : uint8_t {
        client_flags,
        option_header,
        option_data,
        skipping,   // Data of an option whose answer is known already.
        answering,  // Nothing is taken until the answer has found room in the output.
    };

    // An answer is a set of parts, written in the order of their bits as the output has room.
    enum Part : uint16_t {
        part_list_head = 1 << 0,
        part_list_description = 1 << 1,
        part_info_export = 1 << 2,
        part_info_name = 1 << 3,
        part_info_description = 1 << 4,
        part_info_block_size = 1 << 5,
        part_meta_context = 1 << 6,
        part_export_name = 1 << 7,
        part_final = 1 << 8,
    };

    struct Answer {
        Option option = Option::abort;
        uint16_t parts = part_final;
        OptionReply final_type = OptionReply::ack;
        const char* final_text = "";
        size_t export_index = 0;
        uint32_t context_id = 0;
        Status status_after = Status::negotiating;
    };

    // The stream: gathering what the peer sends in pieces.
    size_t take(std::span<const std::byte> bytes);
    void expect(Phase phase, size_t size);
    void item_done();
    void accept_client_flags();
    void begin_option();
    bool is_option_acceptable(Option option, uint32_t size);
    void break_off(const char* reason);

    // The options: from data to an Answer.
    void plan_dataless_option(Option option, uint32_t size);
    void plan_data_option(std::span<const std::byte> data);
    void plan_export_name(std::span<const std::byte> data);
    void plan_info(std::span<const std::byte> data);
    void plan_meta_context(std::span<const std::byte> data);
    void refuse(OptionReply type, const char* text);
    bool find_export(std::string_view name);
    void agree_on_export();

    // The answers: from an Answer to output bytes.
    void write_answer();
    bool write_part(Part part);
    bool write_list_head();
    bool write_list_description();
    bool write_info_export();
    bool write_info_text(InfoType type, std::string_view text);
    bool write_info_block_size();
    bool write_meta_context();
    bool write_export_name();
    bool write_final();
    bool has_room(size_t size) const { return output_size_max - output_tail_ >= size; }
    void append(std::span<const std::byte> bytes);
    void append_reply_header(OptionReply type, size_t data_size);
    uint16_t sent_flags(const ExportDescription& description) const;

    const ExportDirectory& directory_;
    Status status_ = Status::negotiating;
    Phase phase_ = Phase::client_flags;
    bool is_fixed_newstyle_ = false;
    bool is_zero_padded_ = true;
    bool is_shutting_down_ = false;
    bool has_structured_replies_ = false;
    const char* reason_ = "";
    uint32_t options_count_ = 0;
    size_t context_export_index_ = ExportDirectory::none;  // base:allocation was selected for it.
    Negotiated negotiated_;
    Answer answer_;

    size_t wanted_size_ = 0;    // Of the flags, header or data that come now,
    size_t gathered_size_ = 0;  // of which this much was taken.
    std::array<std::byte, sizeof(OptionHeader)> header_;
    std::vector<std::byte> data_;  // Holds memory only while data is expected.

    size_t output_head_ = 0;
    size_t output_tail_ = 0;
    std::array<std::byte, output_size_max> output_;
};

}  // namespace blockd::nbd
