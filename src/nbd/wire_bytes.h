// Moving wire structs and integers between memory and byte spans, bounds checked.
#pragma once

#include <blockd/assert.h>
#include <blockd/endian.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace blockd::nbd {

// A struct whose every byte has a place on the wire, at any address.
template <typename T>
concept WireStruct = std::is_class_v<T> && std::is_trivially_copyable_v<T> && alignof(T) == 1;

inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

template <WireStruct T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

// Reads from the front of bytes that came from a peer; never past their end.
class WireReader {
  public:
    explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    size_t rest_size() const { return rest_.size(); }
    bool is_at_end() const { return rest_.empty(); }

    // Empty, with nothing taken, when fewer bytes are left than it needs.
    template <WireStruct T>
    std::optional<T> take() {
        if (rest_.size() < sizeof(T)) return std::nullopt;
        T value;
        std::memcpy(&value, rest_.data(), sizeof(T));
        rest_ = rest_.subspan(sizeof(T));
        return value;
    }

    // The text is a view of the bytes, and may hold anything.
    std::optional<std::string_view> take_text(size_t size) {
        if (rest_.size() < size) return std::nullopt;
        const std::string_view text(reinterpret_cast<const char*>(rest_.data()), size);
        rest_ = rest_.subspan(size);
        return text;
    }

    // Text behind its be32 size.
    std::optional<std::string_view> take_sized_text() {
        const std::optional<be32> size = take<be32>();
        if (!size) return std::nullopt;
        return take_text(*size);
    }

  private:
    std::span<const std::byte> rest_;
};

// Whether a string may travel in the protocol: UTF-8 without NUL, at most string_size_max bytes.
bool is_wire_string(std::string_view text);

// One character of a text, or one byte that is none.
struct Utf8Character {
    uint32_t code_point = 0;
    size_t size = 1;  // Bytes that it takes.
    bool is_valid = false;
};

// The one at the front of `text`, which is not empty.
Utf8Character utf8_character(std::string_view text);

// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// The longest front of `text` that has at most `size_max` bytes and cuts no UTF-8 sequence.
std::string_view utf8_front(std::string_view text, size_t size_max);

}  // namespace blockd::nbd
