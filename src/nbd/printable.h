// A peer's words, made fit for a terminal and a log.
#pragma once

#include <string>
#include <string_view>

namespace blockd::nbd {

// At most printable_size_max bytes of `text`; control characters (a terminal would obey them) and
// bytes that are not UTF-8 become '?'.
inline constexpr size_t printable_size_max = 256;
std::string printable(std::string_view text);

}  // namespace blockd::nbd
