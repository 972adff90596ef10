// What the command line asks for, checked: plain values, so that commands know nothing of options.
#pragma once

#include <blockd/client/uri.h>

#include <cstdint>
#include <optional>
#include <string>

namespace blockd::blockctl {

enum class Command : uint8_t { list, info, read, write, zero, trim, flush, map, copy, verify };

// Where a copy or a comparison reads or writes.
struct Location {
    std::string text;                // As the user gave it: a URI, a path or "null:".
    std::optional<client::Uri> uri;  // None for a path and for "null:".
    bool is_null = false;
};

enum class ProgressKind : uint8_t { none, bar, json };

struct Invocation {
    Command command = Command::list;
    Location source;   // The one URI of the commands that take one.
    Location target;   // copy, verify
    std::string file;  // write: the input; "-" is stdin. read: the output; empty is stdout.
    uint64_t offset = 0;
    uint64_t size = 0;
    bool is_json = false;
    bool is_fua = false;
    bool is_no_hole = false;
    bool is_fast = false;
    bool is_strict = false;  // verify: sizes have to be equal.
    bool is_flushed = true;  // copy: made durable at the end.
    uint32_t requests = 64;  // On each connection.
    uint32_t connections = 4;
    uint32_t request_size = 256u << 10;
    uint32_t sparse_size = 4096;
    ProgressKind progress = ProgressKind::none;
};

// Bounds of what the user may choose.
inline constexpr uint32_t requests_max = 1024;
inline constexpr uint32_t connections_max = 64;
inline constexpr uint32_t request_size_min = 4096;
inline constexpr uint32_t request_size_max = 32u << 20;

}  // namespace blockd::blockctl
