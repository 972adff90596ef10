// Sizes and offsets as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace blockd::blockctl {

// A whole number of bytes: "4096", "4KiB", "1 GiB" is refused. Units are KiB, MiB, GiB and TiB,
// spelled so: "K" or "KB" could mean 1000. nullopt for anything else, and for what passes 2^63-1,
// the largest offset that a file has.
std::optional<uint64_t> parse_size(std::string_view text);

inline constexpr const char* size_syntax = "bytes, or a whole number with KiB, MiB, GiB or TiB";

// "0 bytes", "1 byte", "512 bytes", "4 KiB", "1.46 GiB": exact when it can be, else three digits.
std::string format_size(uint64_t size);

}  // namespace blockd::blockctl
