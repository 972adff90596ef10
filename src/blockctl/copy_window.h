// How many pieces of a copy are under way at once, when the target is a local file.
//
// Data that waits long for its write leaves the processor's cache, and the write then fetches it
// from memory: reading further ahead than keeps the writes busy makes a copy slower (measured:
// docs/measuring.md). So the window grows by an eighth when the writes ran dry, and shrinks when
// they did not for a whole window of pieces. A distant server's pieces come in bursts, with a dry
// spell between them: such a window grows.
#pragma once

#include <blockd/assert.h>

#include <algorithm>
#include <cstdint>

namespace blockd::blockctl {

class CopyWindow {
  public:
    // Pieces that are under way whatever happens, unless fewer are allowed at all.
    static constexpr uint32_t size_min = 8;

    // Pieces that are under way at first, unless fewer are allowed.
    static constexpr uint32_t size_at_first = 32;

    // Writes that may wait before the window shrinks.
    static constexpr uint32_t writes_waiting_max = 4;

    explicit CopyWindow(uint32_t size_max)
        : size_max_(size_max), size_(std::min(size_at_first, size_max)) {
        ASSERT(size_max > 0);
    }

    uint32_t size() const { return size_; }

    // A piece was read, and so many others are being written.
    void piece_read(uint32_t writes_waiting) {
        if (writes_waiting == 0) {
            busy_count_ = 0;
            size_ = std::min(size_ + std::max(size_ / 8, 1u), size_max_);
        } else if (busy_count_ < size_) {
            ++busy_count_;
        } else if (writes_waiting > writes_waiting_max && size_ > size_min) {
            --size_;
        }
    }

  private:
    uint32_t size_max_;
    uint32_t size_;
    uint32_t busy_count_ = 0;  // Pieces since the writes ran dry; counted up to a window of them.
};

}  // namespace blockd::blockctl
