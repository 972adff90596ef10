#include "daemon/escape.h"

#include <blockd/assert.h>

#include <cstddef>
#include <cstdint>

#include "nbd/printable.h"
#include "nbd/wire_bytes.h"

namespace blockd::daemon {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

// Every code point that is not printable lies below U+10000, so one \u suffices.
void append_json_escape(std::string& output, uint32_t code_point) {
    ASSERT(code_point <= 0xffff);
    output += "\\u";
    for (int32_t shift = 12; shift >= 0; shift -= 4) {
        output += hex_digits[(code_point >> shift) & 0xf];
    }
}

bool is_plain_word(std::string_view text) {
    const std::string_view allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,[]";
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

std::string escape_field(std::string_view text) {
    if (is_plain_word(text)) return std::string(text);

    std::string quoted;
    for (const char character : text) {
        if (character == '"' || character == '\\') quoted += '\\';
        quoted += character;
    }
    return '"' + nbd::printable(quoted) + '"';
}

std::string escape_json(std::string_view text) {
    std::string output = "\"";
    while (!text.empty()) {
        const nbd::Utf8Character character = nbd::utf8_character(text);
        if (!character.is_valid) {
            append_json_escape(output, 0xfffd);
        } else if (!nbd::is_printable(character.code_point)) {
            append_json_escape(output, character.code_point);
        } else {
            if (character.code_point == '"' || character.code_point == '\\') output += '\\';
            output += text.substr(0, character.size);
        }
        text.remove_prefix(character.size);
    }
    return output + '"';
}

}  // namespace blockd::daemon
