// NBD URIs, as the NBD project's doc/uri.md defines them.
#pragma once

#include <blockd/error.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace blockd::client {

// nbd://host[:port]/export and nbd+unix:///export?socket=PATH. Percent-encoding is undone.
struct Uri {
    bool is_unix = false;
    std::string host = "localhost";  // Without the brackets of an IPv6 address.
    uint16_t port = 10809;
    std::string socket_path;
    std::string export_name;

    std::string text() const;  // Back into a URI, percent-encoded where needed.
};

// A Uri, or what is wrong with the text and what is allowed, in a sentence for the user.
std::variant<Uri, std::string> parse_uri(std::string_view text);

// Whether a user who typed this means a URI ("nbd://", "nbd+unix://", "nbds://...") or a file.
bool looks_like_uri(std::string_view text);

}  // namespace blockd::client
