// Makes text of a client, a path or a document safe for the two forms of the log. What is not
// printable is escaped: nbd/printable.h says what that is, and has the function for plain messages.
#pragma once

#include <string>
#include <string_view>

namespace blockd::daemon {

// For key=value lines: as it is when it is one plain word, else quoted with \" and \\ escaped.
std::string escape_field(std::string_view text);

// A JSON string with its quotes. A byte that is not UTF-8 becomes U+FFFD.
std::string escape_json(std::string_view text);

}  // namespace blockd::daemon
