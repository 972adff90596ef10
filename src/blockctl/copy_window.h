// How many pieces of a copy are under way at once: as many as keep both sides busy, no more.
//
// A piece takes a while even alone: the round trip, the disk. Where more are under way than are
// served meanwhile, the others only wait, and data that waits leaves the processor's cache
// (measured: docs/measuring.md). That shows in the time that a piece takes, as in TCP Vegas
// (Brakmo and Peterson, 1995).
//
// It grows while a piece takes less than twice as long as with few under way, and shrinks where it
// takes four times as long: in between, a disk that does many at once does still more at once.
//
// - It is looked at once a round: when about as many pieces are done as the window has, of those
//   that began in that round.
// - Every so many rounds the window is small for one of them, to learn again what a piece takes
//   with few under way: the source may have left the cache, the server may have become busy.
#pragma once

#include <blockd/assert.h>

#include <algorithm>
#include <cstdint>

namespace blockd::blockctl {

class CopyWindow {
  public:
    // "Few", and it shrinks no further, unless fewer are allowed.
    static constexpr uint32_t size_min = 4;

    // After the first round, which is a small one.
    static constexpr uint32_t size_at_first = 16;

    // Of a round: fewer would say too little.
    static constexpr uint32_t pieces_min = 8;

    static constexpr uint32_t rounds_between_small_ones = 64;

    explicit CopyWindow(uint32_t size_max)
        : size_min_(std::min(size_min, size_max)),
          size_max_(size_max),
          size_(std::min(size_at_first, size_max)) {
        ASSERT(size_max > 0);
    }

    uint32_t size() const { return is_small_round_ ? size_min_ : size_; }

    // In nanoseconds of one clock.
    void piece_done(uint64_t began_at, uint64_t now) {
        if (began_at < round_began_at_) return;
        round_time_ += now - began_at;
        if (++round_count_ < std::max(size(), pieces_min)) return;
        end_round(round_time_ / round_count_);
        round_began_at_ = now;
        round_time_ = 0;
        round_count_ = 0;
    }

  private:
    void end_round(uint64_t piece_time) {
        if (is_small_round_ || size_ == size_min_) piece_time_of_few_ = piece_time;
        if (!is_small_round_) adapt(piece_time);
        rounds_since_small_ = is_small_round_ ? 0 : rounds_since_small_ + 1;
        is_small_round_ = rounds_since_small_ == rounds_between_small_ones;
    }

    void adapt(uint64_t piece_time) {
        if (piece_time <= 2 * piece_time_of_few_) {
            size_ = std::min(size_ + std::max(size_ / 4, 1u), size_max_);
        } else if (piece_time > 4 * piece_time_of_few_) {
            size_ = std::max(size_ - std::max(size_ / 8, 1u), size_min_);
        }
    }

    uint32_t size_min_;
    uint32_t size_max_;
    uint32_t size_;
    bool is_small_round_ = true;
    uint32_t rounds_since_small_ = 0;
    uint64_t piece_time_of_few_ = 0;
    uint64_t round_began_at_ = 0;
    uint64_t round_time_ = 0;   // Of all the round's pieces that are done,
    uint32_t round_count_ = 0;  // which are so many.
};

}  // namespace blockd::blockctl
