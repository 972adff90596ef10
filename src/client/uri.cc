#include <blockd/client/uri.h>

#include <blockd/nbd_wire.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "nbd/percent_encoding.h"
#include "nbd/wire_bytes.h"

namespace blockd::client {

namespace {

constexpr std::string_view forms =
    "nbd://host[:port]/export or nbd+unix:///export?socket=PATH is expected";

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? char(letter - 'A' + 'a') : letter;
}

int32_t hex_value(char digit) {
    const char letter = lower(digit);
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    return -1;
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// Undoes percent-encoding; empty when it is malformed or encodes a NUL.
std::optional<std::string> decode(std::string_view text) {
    std::string decoded;
    for (size_t index = 0; index < text.size(); ++index) {
        if (text[index] != '%') {
            decoded += text[index];
            continue;
        }
        if (text.size() - index < 3) return std::nullopt;
        const int32_t high = hex_value(text[index + 1]);
        const int32_t low = hex_value(text[index + 2]);
        if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
        decoded += char(high * 16 + low);
        index += 2;
    }
    return decoded;
}

// What stands before `separator`, which goes as well; all of `rest` when there is none.
std::string_view cut(std::string_view& rest, char separator) {
    const size_t index = rest.find(separator);
    const std::string_view front = rest.substr(0, index);
    rest = index == std::string_view::npos ? std::string_view() : rest.substr(index + 1);
    return front;
}

// "nbd" of "nbd://...", in lower case; empty when there is no "://".
std::string scheme_of(std::string_view text) {
    const size_t index = text.find("://");
    if (index == std::string_view::npos) return {};
    std::string scheme(text.substr(0, index));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), lower);
    return scheme;
}

// Each returns what is wrong, in a sentence; empty when nothing is.

std::string parse_scheme(Uri& uri, const std::string& scheme, std::string_view text) {
    if (scheme == "nbds" || scheme == "nbds+unix") {
        return "TLS is not supported: " + quoted(text) + " asks for it; nbd:// does not";
    }
    if (scheme != "nbd" && scheme != "nbd+unix") {
        return quoted(text) + " is not an NBD URI: " + std::string(forms);
    }
    uri.is_unix = scheme == "nbd+unix";
    return {};
}

std::string parse_port(Uri& uri, std::string_view text) {
    if (text.empty()) return {};
    uint32_t port = 0;
    const char* const end = text.data() + text.size();
    const std::from_chars_result parsed = std::from_chars(text.data(), end, port);
    if (parsed.ec != std::errc() || parsed.ptr != end || port == 0 || port > UINT16_MAX) {
        return "port " + quoted(text) + " is not a number from 1 to 65535";
    }
    uri.port = uint16_t(port);
    return {};
}

std::string parse_authority(Uri& uri, std::string_view authority) {
    if (uri.is_unix) {
        if (authority.empty()) return {};
        return "nbd+unix:// takes no host, but " + quoted(authority) +
               " stands there: nbd+unix:///export?socket=PATH is expected";
    }
    if (authority.find('@') != std::string_view::npos) {
        return "a user name (" + quoted(authority) + ") needs TLS, which is not supported";
    }
    std::string_view host = authority;
    std::string_view port;
    if (authority.substr(0, 1) == "[") {
        const size_t end = authority.find(']');
        const std::string_view rest =
            end == std::string_view::npos ? "" : authority.substr(end + 1);
        if (end == std::string_view::npos || (!rest.empty() && rest[0] != ':')) {
            return quoted(authority) + " is not an IPv6 address in brackets, like [::1]:10809";
        }
        host = authority.substr(1, end - 1);
        port = rest.empty() ? rest : rest.substr(1);
    } else if (std::count(authority.begin(), authority.end(), ':') > 1) {
        return "an IPv6 address stands in brackets: nbd://[" + std::string(authority) + "]/";
    } else {
        port = authority;
        host = cut(port, ':');
    }
    const std::optional<std::string> decoded = decode(host);
    if (!decoded) return "the percent-encoding of host " + quoted(host) + " is malformed";
    if (!decoded->empty()) uri.host = *decoded;
    return parse_port(uri, port);
}

std::string parse_export(Uri& uri, std::string_view path) {
    const std::optional<std::string> name = decode(path);
    if (!name) return "the percent-encoding of export " + quoted(path) + " is malformed";
    if (!nbd::is_wire_string(*name)) {
        return "the export's name is longer than 4096 bytes, or not valid UTF-8";
    }
    uri.export_name = *name;
    return {};
}

// Parameters of other programs (libnbd has some) are left alone.
std::string parse_query(Uri& uri, std::string_view query) {
    while (!query.empty()) {
        std::string_view value = cut(query, '&');
        const std::string_view key = cut(value, '=');
        if (key.substr(0, 4) == "tls-") {
            return "TLS is not supported: " + quoted(key) + " asks for it";
        }
        if (key != "socket") continue;
        if (!uri.is_unix) return "a socket goes with nbd+unix://, not with nbd://";
        const std::optional<std::string> path = decode(value);
        if (!path) return "the percent-encoding of socket " + quoted(value) + " is malformed";
        uri.socket_path = *path;
    }
    if (uri.is_unix && uri.socket_path.empty()) {
        return "nbd+unix:// needs a socket: nbd+unix:///export?socket=PATH is expected";
    }
    return {};
}

}  // namespace

std::variant<Uri, std::string> parse_uri(std::string_view text) {
    Uri uri;
    const std::string scheme = scheme_of(text);
    if (std::string wrong = parse_scheme(uri, scheme, text); !wrong.empty()) return wrong;
    std::string_view query = text.substr(scheme.size() + std::string_view("://").size());
    if (query.find('#') != std::string_view::npos) {
        return quoted(text) + " has a fragment, which NBD does not know; '#' is written %23";
    }
    std::string_view path = cut(query, '?');
    const std::string_view authority = cut(path, '/');
    for (std::string wrong :
         {parse_authority(uri, authority), parse_export(uri, path), parse_query(uri, query)}) {
        if (!wrong.empty()) return wrong;
    }
    return uri;
}

std::string Uri::text() const {
    if (is_unix)
        return "nbd+unix:///" + nbd::percent_encoded(export_name) +
               "?socket=" + nbd::percent_encoded(socket_path);
    const bool is_ipv6 = host.find(':') != std::string::npos;
    const std::string bracketed =
        is_ipv6 ? "[" + nbd::percent_encoded(host) + "]" : nbd::percent_encoded(host);
    const std::string port_text = port == nbd::default_port ? "" : ":" + std::to_string(port);
    return "nbd://" + bracketed + port_text + "/" + nbd::percent_encoded(export_name);
}

bool looks_like_uri(std::string_view text) {
    const std::string scheme = scheme_of(text);
    for (const std::string_view prefix : {"nbd", "nbds"}) {
        if (scheme == prefix || scheme.rfind(std::string(prefix) + "+", 0) == 0) return true;
    }
    return false;
}

}  // namespace blockd::client
