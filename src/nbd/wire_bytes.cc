#include "nbd/wire_bytes.h"

#include <blockd/nbd_wire.h>

namespace blockd::nbd {

namespace {

struct LeadByte {
    size_t sequence_size;  // 0 when no sequence starts with it.
    uint32_t value_bits;
    uint32_t value_min;  // Smaller values have a shorter form, which alone is allowed.
};

LeadByte judge_lead_byte(uint32_t byte) {
    if (byte < 0x80) return {1, byte, 0};
    if (byte >= 0xc2 && byte <= 0xdf) return {2, byte & 0x1f, 0x80};
    if (byte >= 0xe0 && byte <= 0xef) return {3, byte & 0x0f, 0x800};
    if (byte >= 0xf0 && byte <= 0xf4) return {4, byte & 0x07, 0x10000};
    return {0, 0, 0};
}

uint32_t byte_at(std::string_view text, size_t index) {
    return static_cast<unsigned char>(text[index]);
}

}  // namespace

Utf8Character utf8_character(std::string_view text) {
    ASSERT(!text.empty());
    const LeadByte lead = judge_lead_byte(byte_at(text, 0));
    if (lead.sequence_size == 0 || lead.sequence_size > text.size()) return {};
    uint32_t value = lead.value_bits;
    for (size_t index = 1; index < lead.sequence_size; ++index) {
        const uint32_t byte = byte_at(text, index);
        if ((byte & 0xc0) != 0x80) return {};
        value = value << 6 | (byte & 0x3f);
    }
    const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < lead.value_min || value > 0x10ffff || is_surrogate) return {};
    return {.code_point = value, .size = lead.sequence_size, .is_valid = true};
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const Utf8Character character = utf8_character(text);
        if (!character.is_valid) return false;
        text.remove_prefix(character.size);
    }
    return true;
}

bool is_wire_string(std::string_view text) {
    return text.size() <= string_size_max && text.find('\0') == std::string_view::npos &&
           is_utf8(text);
}

std::string_view utf8_front(std::string_view text, size_t size_max) {
    if (text.size() <= size_max) return text;
    size_t size = size_max;
    while (size > 0 && (byte_at(text, size) & 0xc0) == 0x80) --size;
    return text.substr(0, size);
}

}  // namespace blockd::nbd
