// Cuts a range for TRIM and WRITE_ZEROES, whose requests carry no payload but a 32-bit size.
#pragma once

#include <algorithm>
#include <cstdint>

namespace blockd::blockctl {

// A multiple of every block size, and short enough that a server which writes the zeros answers
// before anyone loses patience.
inline constexpr uint64_t range_piece_size_max = 1u << 30;

// Calls `submit(offset, size)` for each piece until one is refused.
template <typename Submit>
void for_each_piece(uint64_t offset, uint64_t size, Submit submit) {
    while (size > 0) {
        const uint64_t piece = std::min(size, range_piece_size_max);
        if (!submit(offset, piece)) return;
        offset += piece;
        size -= piece;
    }
}

}  // namespace blockd::blockctl
