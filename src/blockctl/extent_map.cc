#include "blockctl/extent_map.h"

#include <blockd/nbd_wire.h>

#include <algorithm>

namespace blockd::blockctl {

const char* allocation_name(uint32_t flags) {
    const bool is_hole = (flags & nbd::allocation_hole) != 0;
    const bool is_zero = (flags & nbd::allocation_zero) != 0;
    if (is_hole && is_zero) return "hole,zero";
    if (is_hole) return "hole";
    return is_zero ? "zero" : "data";
}

void ExtentMap::append(uint64_t size, uint32_t flags) {
    const uint64_t kept = std::min(size, size_ - mapped_size_);
    if (kept == 0) return;

    if (!extents_.empty() && extents_.back().flags == flags) {
        extents_.back().size += kept;
    } else {
        extents_.push_back({.offset = mapped_size_, .size = kept, .flags = flags});
    }
    mapped_size_ += kept;
}

}  // namespace blockd::blockctl
