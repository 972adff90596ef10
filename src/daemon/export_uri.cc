#include "daemon/export_uri.h"

#include "nbd/percent_encoding.h"

namespace blockd::daemon {
namespace {

constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool is_one_of(char character, std::string_view set) {
    return set.find(character) != std::string_view::npos;
}

std::string reachable(const std::string& address) {
    if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + address.substr(7);
    if (address.starts_with("[::]:")) return "[::1]" + address.substr(4);
    return address;
}

}  // namespace

std::string export_uri(const io::Address& address, std::string_view export_name) {
    const std::string name = nbd::percent_encoded(export_name);
    if (address.family() == io::AddressFamily::unix_path) {
        return "nbd+unix:///" + name + "?socket=" + nbd::percent_encoded(address.path());
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
