// Requests of the transmission phase, as the server reads them: finding one in the received bytes,
// and every reason to refuse it, before anything is allocated or executed.
#pragma once

#include <blockd/error.h>
#include <blockd/nbd_wire.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace blockd::nbd {

// A refused WRITE's payload up to this size is skipped; a larger one closes the connection.
inline constexpr uint32_t payload_skip_size_max = 64u << 20;

// A request in host byte order. `command` may be one that nobody knows.
struct Request {
    Command command = Command::read;
    uint16_t flags = 0;
    uint64_t cookie = 0;
    uint64_t offset = 0;
    uint32_t size = 0;

    bool has_payload() const { return command == Command::write; }
};

// Reads the request at the front of `bytes`, which takes sizeof(RequestHeader) of them. Empty when
// more bytes are needed; Error{protocol} when the magic is wrong (known from 4 bytes on).
Result<std::optional<Request>> parse_request(std::span<const std::byte> bytes);

// What the connection agreed on, and what the export is.
struct RequestLimits {
    uint64_t export_size = 0;
    uint16_t flags = 0;  // transmission_flag bits, as sent to the client.
    bool has_base_allocation = false;
};

// Why a request is refused: what goes into its error reply. `text` is a literal.
struct Refusal {
    WireError error = WireError::none;
    const char* text = "";
    bool closes = false;  // The payload that follows is too large to skip.

    explicit operator bool() const { return error != WireError::none; }
};

// NBD_CMD_DISC is never refused.
Refusal check_request(const Request& request, const RequestLimits& limits);

}  // namespace blockd::nbd
