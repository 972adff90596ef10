// Bytes for people: what `blockctl read` shows on a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace blockd::blockctl {

// Lines of 16 bytes, as `hexdump -C` has them; `offset` is that of the first byte. Runs of equal
// lines are not folded.
std::string hex_dump(std::span<const std::byte> bytes, uint64_t offset);

}  // namespace blockd::blockctl
