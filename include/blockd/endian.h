// Integers as they lie on disk and wire: fixed byte order, alignment 1, so structs have no padding.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace blockd {

template <std::unsigned_integral T, std::endian order>
class Stored {
  public:
    constexpr Stored() = default;
    constexpr Stored(T value) : bytes_(std::bit_cast<Bytes>(reorder(value))) {}
    constexpr operator T() const { return reorder(std::bit_cast<T>(bytes_)); }

  private:
    using Bytes = std::array<std::byte, sizeof(T)>;

    static constexpr T reorder(T value) {
        static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
        if constexpr (order == std::endian::native) {
            return value;
        } else if constexpr (sizeof(T) == 2) {
            return __builtin_bswap16(value);
        } else if constexpr (sizeof(T) == 4) {
            return __builtin_bswap32(value);
        } else {
            return __builtin_bswap64(value);
        }
    }

    Bytes bytes_{};
};

using be16 = Stored<uint16_t, std::endian::big>;
using be32 = Stored<uint32_t, std::endian::big>;
using be64 = Stored<uint64_t, std::endian::big>;
using le16 = Stored<uint16_t, std::endian::little>;
using le32 = Stored<uint32_t, std::endian::little>;
using le64 = Stored<uint64_t, std::endian::little>;

}  // namespace blockd
