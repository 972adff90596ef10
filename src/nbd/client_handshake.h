// The client's half of the negotiation, from the server's greeting to the transmission phase.
//
// Bytes in, bytes out: it knows no socket, clock or thread. Works with every new-style server: with
// and without GO, structured replies and the fixed style. One option is on the wire at a time.
//
//     feed what was received -> send what output() holds -> consume_output() -> ... until status()
//     is no longer negotiating. Then send the rest of output() first; bytes that feed() did not
//     take belong to the transmission phase. When the stream ends early: end_of_stream().
//
// It trusts nothing: whatever breaks the protocol is Status::broken, and failure_text() says what
// the server did. Memory is bounded: one reply's data, and the list.
#pragma once

#include <blockd/error.h>
#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blockd::nbd {

// Data of one reply; the specification's strings take a quarter of it.
inline constexpr uint32_t option_reply_size_max = 16u << 10;
// Replies to one option other than LIST, before it is acknowledged or refused.
inline constexpr uint32_t option_replies_max = 64;
inline constexpr uint32_t exports_listed_max = 65'536;
inline constexpr size_t listed_size_max = 64u << 20;  // Bytes of their names and descriptions.

class ClientHandshake {
  public:
    enum class Goal : uint8_t {
        transmission,
        list,  // The names of the exports, and an end.
    };

    enum class Status : uint8_t {
        negotiating,
        transmission,  // agreed() is valid.
        listed,        // listed() is valid: send the output, then close.
        refused,       // The server said no: failure_text() says why. Send the output, then close.
        broken,        // The server broke the protocol: close.
    };

    struct Options {
        Goal goal = Goal::transmission;
        std::string export_name;
        bool wants_base_allocation = false;
    };

    struct Agreed {
        std::string name;  // As the server tells it, else as asked for.
        std::string description;
        uint64_t size = 0;   // Bytes.
        uint16_t flags = 0;  // transmission_flag bits.
        uint32_t block_size_minimum = 1;
        uint32_t block_size_preferred = 4096;
        uint32_t block_size_maximum = payload_size_max;
        bool has_structured_replies = false;
        bool has_base_allocation = false;
        uint32_t base_allocation_id = 0;
    };

    struct Listed {
        std::string name;
        std::string description;
    };

    explicit ClientHandshake(const Options& options);

    // Takes bytes as they arrive, in pieces of any size; returns how many it took: all of them
    // while it negotiates.
    size_t feed(std::span<const std::byte> bytes);
    void end_of_stream();

    // What is to be sent now. The bytes stay where they are until consume_output().
    std::span<const std::byte> output() const;
    void consume_output(size_t size);

    Status status() const { return status_; }
    const Agreed& agreed() const { return agreed_; }
    const std::vector<Listed>& listed() const { return listed_; }
    // "the server refused export 'x': no such export"; empty while nothing failed.
    const std::string& failure_text() const { return failure_text_; }
    ErrorCode failure_code() const { return failure_code_; }  // protocol when broken by a lie.

  private:
    enum class Phase : uint8_t { greeting, reply_header, reply_data, export_name_reply };

    void expect(Phase phase, size_t size);
    void item_done();
    void greeting_done();
    void reply_header_done();
    void reply_done();
    void export_name_done();

    // What the server says to the option that is on the wire.
    void acknowledged();
    void refused(OptionReply type, std::string_view text);
    void structured_reply_answered();
    void meta_context_answered();
    void take_server(std::span<const std::byte> data);
    void take_info(std::span<const std::byte> data);
    bool take_info_export(std::span<const std::byte> data);
    bool take_info_block_size(std::span<const std::byte> data);
    void take_meta_context(std::span<const std::byte> data);

    void send_first_option();
    void send_meta_context();
    void send_go();
    void send_export_name();
    void send_option(Option option, std::span<const std::byte> data);
    void agree(uint64_t size, uint16_t flags);
    void refuse(ErrorCode code, std::string text);
    void break_off(std::string text);

    const Options options_;
    Status status_ = Status::negotiating;
    std::string failure_text_;
    ErrorCode failure_code_ = ErrorCode::protocol;
    bool is_fixed_newstyle_ = false;
    bool is_zero_padded_ = true;
    bool has_info_export_ = false;
    Agreed agreed_;
    std::vector<Listed> listed_;
    size_t listed_size_ = 0;

    Phase phase_ = Phase::greeting;
    Option option_ = Option::abort;  // On the wire,
    uint32_t replies_count_ = 0;     // answered this often so far.
    OptionReply reply_type_ = OptionReply::ack;

    size_t wanted_size_ = 0;  // Of the item that comes now.
    std::vector<std::byte> gathered_;

    std::vector<std::byte> output_;  // Reserved once, so that it never moves.
    size_t output_head_ = 0;
};

}  // namespace blockd::nbd
