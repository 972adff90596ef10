// Makes text of a client, a path or a document safe to print on one line.
//
// What could forge a line or steer a terminal is escaped: control characters (C0, DEL, C1), line
// and paragraph separators, characters that turn the direction of writing, and bytes that are not
// UTF-8. Everything else passes, so that names in any script stay readable.
#pragma once

#include <string>
#include <string_view>

namespace blockd::daemon {

// For messages: "a\nb" becomes a\x0ab. Backslashes and quotes pass.
std::string escape_plain(std::string_view text);

// For key=value lines: as it is when it is one plain word, else quoted with \" and \\ escaped.
std::string escape_field(std::string_view text);

// A JSON string with its quotes. A byte that is not UTF-8 becomes U+FFFD.
std::string escape_json(std::string_view text);

}  // namespace blockd::daemon
