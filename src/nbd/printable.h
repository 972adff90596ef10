// Text of a peer, a path or a document, made safe to show on one line.
//
// What could forge a line or steer a terminal is escaped: control characters (C0, DEL, C1), line
// and paragraph separators, characters that turn the direction of writing, and bytes that are not
// UTF-8. Everything else passes, so that names in any script stay readable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace blockd::nbd {

// "a\nb" becomes a\x0ab. Backslashes and quotes pass.
std::string printable(std::string_view text);

// The same for the front of a peer's words, of which it may send any number.
inline constexpr size_t printable_size_max = 256;  // Bytes of `text`.
std::string printable_front(std::string_view text);

bool is_printable(uint32_t code_point);

}  // namespace blockd::nbd
