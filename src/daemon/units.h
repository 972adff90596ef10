// Sizes and times as an operator writes them: a whole number and a unit, without a space.
//
//     "512B" "4KiB" "64MiB" "1GiB" "2TiB"          bytes; the units are powers of 1024
//     "250us" "500ms" "10s" "5min" "1h"            nanoseconds
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace blockd::daemon {

inline constexpr std::string_view size_form =
    "a size with a unit, like \"64MiB\" (units: B, KiB, MiB, GiB, TiB, PiB)";
inline constexpr std::string_view duration_form =
    "a time with a unit, like \"10s\" (units: us, ms, s, min, h)";

// Nothing when the text has another form, or the value does not fit in 64 bits.
std::optional<uint64_t> parse_size(std::string_view text);
std::optional<uint64_t> parse_duration_ns(std::string_view text);

// In the largest unit that gives a whole number: "64MiB", "1500ms". What the parsers accept,
// except for times that are no whole number of microseconds: those round down.
std::string size_text(uint64_t bytes);
std::string duration_text(uint64_t duration_ns);

}  // namespace blockd::daemon
