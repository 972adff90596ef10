#include "daemon/escape.h"

#include <blockd/assert.h>

#include <cstddef>
#include <cstdint>

namespace blockd::daemon {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

// One character of the text, or one byte that is none.
struct Character {
    uint32_t code_point = 0;
    size_t size = 1;  // Bytes that it takes.
    bool is_valid = false;
};

uint8_t byte_at(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

// Well-formed UTF-8 only: no overlong forms, no surrogates, nothing above U+10FFFF.
Character decode(std::string_view text) {
    ASSERT(!text.empty());
    const uint8_t lead = byte_at(text, 0);
    if (lead < 0x80) return {.code_point = lead, .size = 1, .is_valid = true};

    const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};

    uint32_t code_point = lead & (0xffu >> (size + 1));
    for (size_t index = 1; index < size; ++index) {
        if ((byte_at(text, index) & 0xc0) != 0x80) return {};
        code_point = code_point << 6 | (byte_at(text, index) & 0x3fu);
    }
    const bool is_overlong =
        (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
    const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (is_overlong || is_surrogate || code_point > 0x10ffff) return {};
    return {.code_point = code_point, .size = size, .is_valid = true};
}

bool is_printable(uint32_t code_point) {
    if (code_point < 0x20) return false;
    if (code_point >= 0x7f && code_point <= 0x9f) return false;      // DEL and C1.
    if (code_point >= 0x200b && code_point <= 0x200f) return false;  // Zero width, direction.
    if (code_point >= 0x2028 && code_point <= 0x202e) return false;  // Separators, direction.
    if (code_point >= 0x2066 && code_point <= 0x2069) return false;  // Isolates of direction.
    return code_point != 0xfeff;
}

void append_bytes_as_hex(std::string& output, std::string_view bytes) {
    for (size_t index = 0; index < bytes.size(); ++index) {
        output += "\\x";
        output += hex_digits[byte_at(bytes, index) >> 4];
        output += hex_digits[byte_at(bytes, index) & 0xf];
    }
}

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

std::string escape_plain(std::string_view text) {
    std::string output;
    output.reserve(text.size());
    while (!text.empty()) {
        const Character character = decode(text);
        const std::string_view bytes = text.substr(0, character.size);
        if (character.is_valid && is_printable(character.code_point)) {
            output += bytes;
        } else {
            append_bytes_as_hex(output, bytes);
        }
        text.remove_prefix(character.size);
    }
    return output;
}

std::string escape_field(std::string_view text) {
    if (is_plain_word(text)) return std::string(text);

    std::string quoted;
    for (const char character : text) {
        if (character == '"' || character == '\\') quoted += '\\';
        quoted += character;
    }
    return '"' + escape_plain(quoted) + '"';
}

std::string escape_json(std::string_view text) {
    std::string output = "\"";
    while (!text.empty()) {
        const Character character = decode(text);
        if (!character.is_valid) {
            append_json_escape(output, 0xfffd);
        } else if (!is_printable(character.code_point)) {
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
