#include "nbd/percent_encoding.h"

#include <cstdint>

namespace blockd::nbd {

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:@";
    constexpr char hex_digits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char character : text) {
        if (plain.find(character) != std::string_view::npos) {
            encoded += character;
            continue;
        }
        const uint8_t byte = static_cast<uint8_t>(character);
        encoded += {'%', hex_digits[byte >> 4], hex_digits[byte & 0xf]};
    }
    return encoded;
}

}  // namespace blockd::nbd
