// How many pieces of a copy are under way at once, when the target is local: a file, a device,
// or null.
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
    // It shrinks no further.
    static constexpr uint32_t size_min = 8;

    // Pieces that are under way at first, unless fewer are allowed.
    static constexpr uint32_t size_at_first = 32;

    // Writes under way before it shrinks: more than the disk workers take at once only wait.
    static constexpr uint32_t writing_count_max = 4;

    explicit CopyWindow(uint32_t size_max)
        : size_max_(size_max), size_(std::min(size_at_first, size_max)) {
        ASSERT(size_max > 0);
    }

    uint32_t size() const { return size_; }

    // A read ended, and so many others are being written.
    void piece_read(uint32_t writing_count) {
        if (writing_count == 0) {
            busy_count_ = 0;
            size_ = std::min(size_ + size_ / 8, size_max_);
        } else if (busy_count_ < size_) {
            ++busy_count_;
        } else if (writing_count > writing_count_max && size_ > size_min) {
            --size_;
        }
    }

  private:
    uint32_t size_max_;
    uint32_t size_;
    uint32_t busy_count_ = 0;  // Pieces since the writes ran dry; counted up to a window of them.
};

}  // namespace blockd::blockctl
