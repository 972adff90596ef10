// Wire bytes for tests: built piece by piece, from and to hex.
#pragma once

#include "nbd/wire_bytes.h"

#include <blockd/nbd_wire.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blockd::nbd {

using Bytes = std::vector<std::byte>;

inline Bytes copy_of(std::span<const std::byte> bytes) { return Bytes(bytes.begin(), bytes.end()); }

// "00 ff": two digits a byte, spaced.
inline std::string hex(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        if (!text.empty()) text += ' ';
        text += digits[std::to_integer<size_t>(byte) >> 4];
        text += digits[std::to_integer<size_t>(byte) & 15];
    }
    return text;
}

// WireBuilder().be32(4).text("demo").bytes()
class WireBuilder {
  public:
    WireBuilder& be16(uint16_t value) { return raw(bytes_of(blockd::be16(value))); }
    WireBuilder& be32(uint32_t value) { return raw(bytes_of(blockd::be32(value))); }
    WireBuilder& be64(uint64_t value) { return raw(bytes_of(blockd::be64(value))); }
    WireBuilder& text(std::string_view value) { return raw(bytes_of(value)); }
    WireBuilder& sized_text(std::string_view value) {
        return be32(uint32_t(value.size())).text(value);
    }
    WireBuilder& raw(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }

    // An option with its data.
    WireBuilder& option(uint32_t option, std::span<const std::byte> data = {}) {
        return be64(option_magic).be32(option).be32(uint32_t(data.size())).raw(data);
    }
    WireBuilder& option(Option value, std::span<const std::byte> data = {}) {
        return option(uint32_t(value), data);
    }

    const Bytes& bytes() const { return bytes_; }
    operator std::span<const std::byte>() const { return bytes_; }

  private:
    Bytes bytes_;
};

// Data of INFO and GO.
inline Bytes info_data(std::string_view name, std::span<const uint16_t> types = {}) {
    WireBuilder builder;
    builder.sized_text(name).be16(uint16_t(types.size()));
    for (const uint16_t type : types) builder.be16(type);
    return builder.bytes();
}

// Data of LIST_META_CONTEXT and SET_META_CONTEXT.
inline Bytes meta_context_data(std::string_view name, std::span<const std::string_view> queries) {
    WireBuilder builder;
    builder.sized_text(name).be32(uint32_t(queries.size()));
    for (const std::string_view query : queries) builder.sized_text(query);
    return builder.bytes();
}

// One reply to an option.
struct OptionAnswer {
    uint32_t option;
    uint32_t type;
    Bytes data;

    OptionReply reply() const { return OptionReply(type); }
    std::string_view text() const {
        return {reinterpret_cast<const char*>(data.data()), data.size()};
    }
};

}  // namespace blockd::nbd
