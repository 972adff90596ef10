#include "nbd/printable.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {
namespace {

void append_bytes_as_hex(std::string& output, std::string_view bytes) {
    constexpr char hex_digits[] = "0123456789abcdef";
    for (const char character : bytes) {
        const uint8_t byte = static_cast<uint8_t>(character);
        output += "\\x";
        output += hex_digits[byte >> 4];
        output += hex_digits[byte & 0xf];
    }
}

}  // namespace

std::string printable(std::string_view text) {
    std::string output;
    output.reserve(text.size());
    while (!text.empty()) {
        const Utf8Character character = utf8_character(text);
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

std::string printable_front(std::string_view text) {
    return printable(utf8_front(text, printable_size_max));
}

bool is_printable(uint32_t code_point) {
    if (code_point < 0x20) return false;
    if (code_point >= 0x7f && code_point <= 0x9f) return false;      // DEL and C1.
    if (code_point >= 0x200b && code_point <= 0x200f) return false;  // Zero width, direction.
    if (code_point >= 0x2028 && code_point <= 0x202e) return false;  // Separators, direction.
    if (code_point >= 0x2066 && code_point <= 0x2069) return false;  // Isolates of direction.
    return code_point != 0xfeff;
}

}  // namespace blockd::nbd
