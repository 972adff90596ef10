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
#include <memory>
#include <span>
#include <string>
#include <string_view>

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
        bool has_base_allocation = false;   // BLOCK_STATUS is answered for "base:allocation".
        uint32_t base_allocation_id = 0;
        uint16_t flags = 0;                 // As sent to the client, send_df included.
    };

    // The greeting is in output() from the start. `directory` outlives the handshake.
    explicit ServerHandshake(const ExportDirectory& directory);

    // Takes bytes as they arrive, in pieces of any size; returns how many it took. It takes fewer
    // when the negotiation has ended, or when output() must be sent first.
    size_t feed(std::span<const std::byte> bytes);

    // Answers every further option with ERR_SHUTDOWN.
    void shut_down();

    // What is to be sent now. May be followed by more once it was consumed.
    std::span<const std::byte> output() const;
    void consume_output(size_t size);

    Status status() const { return status_; }
    const Negotiated& negotiated() const { return negotiated_; }
    const char* reason() const { return reason_; }  // A literal, for the log; "" unless broken.
};

}  // namespace blockd::nbd
