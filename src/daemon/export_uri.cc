#include "daemon/export_uri.h"

#include <cstdint>

namespace blockd::daemon {
namespace {

constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool is_one_of(char character, std::string_view set) {
    return set.find(character) != std::string_view::npos;
}

// RFC 3986: letters, digits and "-._~" stand for themselves everywhere; "/" does so in a path and
// in a query.
std::string percent_encoded(std::string_view text) {
    constexpr char hex_digits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char character : text) {
        if (is_one_of(character, letters_and_digits) || is_one_of(character, "-._~/")) {
            encoded += character;
            continue;
        }
        const uint8_t byte = static_cast<uint8_t>(character);
        encoded += '%';
        encoded += hex_digits[byte >> 4];
        encoded += hex_digits[byte & 0xf];
    }
    return encoded;
}

std::string reachable(const std::string& address) {
    if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + address.substr(7);
    if (address.starts_with("[::]:")) return "[::1]" + address.substr(4);
    return address;
}

}  // namespace

std::string export_uri(const io::Address& address, std::string_view export_name) {
    const std::string name = percent_encoded(export_name);
    if (address.family() == io::AddressFamily::unix_path) {
        return "nbd+unix:///" + name + "?socket=" + percent_encoded(address.path());
    }
    return "nbd://" + reachable(address.text()) + "/" + name;
}

std::string shell_word(std::string_view text) {
    bool is_plain = !text.empty();
    std::string quoted = "'";
    for (const char character : text) {
        is_plain = is_plain &&
                   (is_one_of(character, letters_and_digits) || is_one_of(character, "-._/:@%+,="));
        if (character == '\'') {
            quoted += "'\\''";
        } else {
            quoted += character;
        }
    }
    return is_plain ? std::string(text) : quoted + "'";
}

}  // namespace blockd::daemon
