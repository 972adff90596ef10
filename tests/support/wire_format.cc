#include "support/wire_format.h"

#include <initializer_list>

namespace blockd::support {
namespace {

uint64_t read_integer(std::string_view bytes, size_t position, size_t size) {
    if (position + size > bytes.size()) return 0;
    uint64_t value = 0;
    for (size_t index = 0; index < size; ++index) {
        value = (value << 8) | static_cast<uint8_t>(bytes[position + index]);
    }
    return value;
}

// How many bytes the UTF-8 character that starts with `lead` has; 0 when none starts so.
size_t utf8_character_size(uint8_t lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead < 0xe0) return 2;
    if (lead >= 0xe0 && lead < 0xf0) return 3;
    if (lead >= 0xf0 && lead < 0xf5) return 4;
    return 0;
}

}  // namespace

WireBytes& WireBytes::raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
}

WireBytes& WireBytes::sized_text(std::string_view text) {
    return u32(static_cast<uint32_t>(text.size())).raw(text);
}

WireBytes& WireBytes::integer(uint64_t value, size_t size) {
    for (size_t index = size; index-- > 0;) {
        bytes_.push_back(static_cast<char>((value >> (8 * index)) & 0xff));
    }
    return *this;
}

uint16_t read_u16(std::string_view bytes, size_t position) {
    return static_cast<uint16_t>(read_integer(bytes, position, 2));
}

uint32_t read_u32(std::string_view bytes, size_t position) {
    return static_cast<uint32_t>(read_integer(bytes, position, 4));
}

uint64_t read_u64(std::string_view bytes, size_t position) {
    return read_integer(bytes, position, 8);
}

std::string option_head_bytes(uint32_t option, uint32_t size) {
    return WireBytes().u64(wire::option_magic).u32(option).u32(size).bytes();
}

std::string option_bytes(uint32_t option, std::string_view data) {
    return option_head_bytes(option, static_cast<uint32_t>(data.size())).append(data);
}

std::string info_data(std::string_view name, std::initializer_list<uint16_t> types) {
    WireBytes data;
    data.sized_text(name).u16(static_cast<uint16_t>(types.size()));
    for (const uint16_t type : types) data.u16(type);
    return data.bytes();
}

std::string meta_data(std::string_view name, std::initializer_list<std::string_view> queries) {
    WireBytes data;
    data.sized_text(name).u32(static_cast<uint32_t>(queries.size()));
    for (const std::string_view query : queries) data.sized_text(query);
    return data.bytes();
}

std::string request_bytes(const RequestFields& request) {
    return WireBytes()
        .u32(wire::request_magic)
        .u16(request.flags)
        .u16(request.command)
        .u64(request.cookie)
        .u64(request.offset)
        .u32(request.size)
        .bytes();
}

bool is_valid_utf8(std::string_view text) {
    size_t position = 0;
    while (position < text.size()) {
        const size_t size = utf8_character_size(static_cast<uint8_t>(text[position]));
        if (size == 0 || position + size > text.size()) return false;
        for (size_t index = 1; index < size; ++index) {
            if ((static_cast<uint8_t>(text[position + index]) & 0xc0) != 0x80) return false;
        }
        position += size;
    }
    return true;
}

}  // namespace blockd::support
