// The map of an export: runs of bytes and what the server says of them.
#pragma once

#include <cstdint>
#include <vector>

namespace blockd::blockctl {

// `flags` are nbd::allocation_hole and nbd::allocation_zero.
struct MappedExtent {
    uint64_t offset;
    uint64_t size;
    uint32_t flags;

    bool operator==(const MappedExtent&) const = default;
};

// "data", "hole", "zero" or "hole,zero"; bits that base:allocation does not define say nothing.
const char* allocation_name(uint32_t flags);

// Gathers the extents of many BLOCK_STATUS answers. Neighbours of one kind become one extent,
// wherever the answers were cut.
class ExtentMap {
  public:
    explicit ExtentMap(uint64_t size) : size_(size) {}

    // The next `size` bytes; what runs past the end of the export is left out.
    void append(uint64_t size, uint32_t flags);

    uint64_t mapped_size() const { return mapped_size_; }
    bool is_complete() const { return mapped_size_ == size_; }
    const std::vector<MappedExtent>& extents() const { return extents_; }

  private:
    uint64_t size_;
    uint64_t mapped_size_ = 0;
    std::vector<MappedExtent> extents_;
};

}  // namespace blockd::blockctl
