// Finds the zeros in a buffer, so that a copy need not send them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace blockd::blockctl {

bool is_all_zero(std::span<const std::byte> bytes);

struct ZeroRun {
    size_t size = 0;  // Bytes, from the front.
    bool is_zero = false;
};

// How many bytes from the front of `bytes`, which is not empty, are alike: blocks of `block_size`
// bytes that are all zero, or blocks that are not. The last block may be shorter.
ZeroRun front_run(std::span<const std::byte> bytes, uint32_t block_size);

}  // namespace blockd::blockctl
