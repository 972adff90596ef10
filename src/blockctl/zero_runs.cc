#include "blockctl/zero_runs.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cstring>

namespace blockd::blockctl {
namespace {

// Data is seldom zero for long: looking at so much at a time ends early, and is still vectorised.
constexpr size_t stride = 128;

bool is_stride_zero(const std::byte* bytes) {
    uint64_t seen = 0;
    for (size_t index = 0; index < stride; index += sizeof(seen)) {
        uint64_t word;
        std::memcpy(&word, bytes + index, sizeof(word));
        seen |= word;
    }
    return seen == 0;
}

}  // namespace

bool is_all_zero(std::span<const std::byte> bytes) {
    while (bytes.size() >= stride) {
        if (!is_stride_zero(bytes.data())) return false;
        bytes = bytes.subspan(stride);
    }
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte(0); });
}

ZeroRun front_run(std::span<const std::byte> bytes, uint32_t block_size) {
    ASSERT(!bytes.empty());
    ASSERT(block_size > 0);
    const auto is_zero_at = [bytes, block_size](size_t at) {
        return is_all_zero(bytes.subspan(at, std::min(size_t(block_size), bytes.size() - at)));
    };
    const bool is_zero = is_zero_at(0);
    size_t end = std::min(size_t(block_size), bytes.size());
    while (end < bytes.size() && is_zero_at(end) == is_zero) {
        end = std::min(end + block_size, bytes.size());
    }
    return {.size = end, .is_zero = is_zero};
}

}  // namespace blockd::blockctl
