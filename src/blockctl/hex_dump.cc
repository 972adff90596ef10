#include "blockctl/hex_dump.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace blockd::blockctl {
namespace {

constexpr size_t line_size = 16;

void append_hex(std::string& text, std::span<const std::byte> line) {
    for (size_t index = 0; index < line_size; ++index) {
        if (index % 8 == 0) text += ' ';
        if (index >= line.size()) {
            text += "   ";
            continue;
        }
        std::array<char, 4> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x ",
                      std::to_integer<unsigned>(line[index]));
        text += digits.data();
    }
}

void append_characters(std::string& text, std::span<const std::byte> line) {
    text += " |";
    for (const std::byte byte : line) {
        const char character = std::to_integer<char>(byte);
        text += character >= ' ' && character <= '~' ? character : '.';
    }
    text += "|\n";
}

}  // namespace

std::string hex_dump(std::span<const std::byte> bytes, uint64_t offset) {
    std::string text;
    while (!bytes.empty()) {
        const auto line = bytes.first(std::min(line_size, bytes.size()));
        std::array<char, 24> place{};
        std::snprintf(place.data(), place.size(), "%08llx ",
                      static_cast<unsigned long long>(offset));
        text += place.data();
        append_hex(text, line);
        append_characters(text, line);
        bytes = bytes.subspan(line.size());
        offset += line.size();
    }
    return text;
}

}  // namespace blockd::blockctl
