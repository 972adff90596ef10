// How many pieces of a copy are under way at once, when the target is a local file.
//
// Data that waits long for its write leaves the processor's cache, and the write then fetches it
// from memory: reading further ahead than keeps the writes busy makes a copy slower (measured:
// docs/measuring.md). So the window grows while the writes run dry, and shrinks while they queue.
#pragma once

#include <blockd/assert.h>

#include <algorithm>
#include <cstdint>

namespace blockd::blockctl {

class CopyWindow {
  public:
    // Pieces that are under way whatever happens, unless fewer are allowed at all.
    static constexpr uint32_t size_min = 8;

    // Writes that may wait before the window shrinks.
    static constexpr uint32_t writes_waiting_max = 4;

    explicit CopyWindow(uint32_t size_max)
        : size_max_(size_max), size_(std::min(size_min, size_max)) {
        ASSERT(size_max > 0);
    }

    uint32_t size() const { return size_; }

    // A piece was read, and so many others are being written.
    void piece_read(uint32_t writes_waiting) {
        if (writes_waiting == 0) size_ = std::min(size_ + 1, size_max_);
        if (writes_waiting > writes_waiting_max) size_ = std::max(size_ - 1, size_at_least());
    }

  private:
    uint32_t size_at_least() const { return std::min(size_min, size_max_); }

    uint32_t size_max_;
    uint32_t size_;
};

}  // namespace blockd::blockctl
