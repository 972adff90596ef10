// What the clients of a recorded daemon asked for, and the contents that tell their writes apart.
//
// The clients run on one thread, so that there is one order of all that they sent and received.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace blockd::crash {

inline constexpr uint64_t never = UINT64_MAX;

// A power cut may tear a write between sectors, not inside one.
inline constexpr uint64_t sector_size = 512;

enum class RequestKind : uint8_t { write, write_zeroes, trim, flush };

struct LoggedRequest {
    RequestKind kind = RequestKind::flush;
    bool has_fua = false;
    uint64_t offset = 0;
    uint64_t size = 0;
    std::string data;           // Of a write.
    uint64_t sent = never;      // Places in the clients' order of events, from 1 on.
    uint64_t answered = never;  // With success.
};

// The request at `index` has the cookie index + 1.
using ClientLog = std::vector<LoggedRequest>;

// The content of a write at its place on the disk: eight bytes of it tell whose they are. `writer`
// is the cookie, or 0 for what was there at the start.
std::string stamped(uint64_t writer, uint64_t offset, uint64_t size);

// One request as text: "write+FUA 4096+512".
std::string text_of(const LoggedRequest& request);

}  // namespace blockd::crash
