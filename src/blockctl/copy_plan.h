// Cuts a source into the pieces of a copy: data of at most a request's size, and zeros.
//
//     while (!plan.is_complete()) {
//         if (plan.has_piece()) start(plan.next());
//         else ask the source for the extents at plan.extents_offset(), plan.add_extents(answer);
//     }
//
// - Pieces come in order, without gap or overlap, and cover the source exactly.
// - They start and end at multiples of the alignment, except the end of the source: holes shrink
//   to fit, and what is cut off counts as data. A piece of data never crosses a multiple of the
//   request size, so that servers get aligned requests.
// - Opens nothing, asks nobody: whoever drives it brings the extents, cut as they may be.
#pragma once

#include <blockd/io/completion.h>

#include <cstdint>
#include <span>
#include <vector>

namespace blockd::blockctl {

struct Piece {
    uint64_t offset = 0;
    uint64_t size = 0;
    bool is_zero = false;

    bool operator==(const Piece&) const = default;
};

class CopyPlan {
  public:
    struct Options {
        uint64_t size;           // Of the source.
        uint32_t request_size;   // Of one piece of data; a multiple of `alignment`.
        uint64_t zero_size_max;  // Of one piece of zeros; a multiple of `alignment`.
        uint32_t alignment;      // A power of two.
    };

    explicit CopyPlan(const Options& options);

    bool has_piece() const { return front_ < runs_.size(); }
    bool is_complete() const { return planned_ == options_.size && !has_piece(); }

    // Where the extents that are asked for next start, while !has_piece().
    uint64_t extents_offset() const { return planned_; }

    // Contiguous from extents_offset() on, at least one, none of size 0; the last may run past
    // the end.
    void add_extents(std::span<const io::Extent> extents);

    Piece next();

  private:
    struct Run {
        uint64_t end;
        bool is_zero;
    };

    void add_hole(uint64_t begin, uint64_t end);
    void add_data(uint64_t end);
    void push(uint64_t end, bool is_zero);
    uint64_t round_down(uint64_t offset) const;
    uint64_t round_up(uint64_t offset) const;

    Options options_;
    std::vector<Run> runs_;  // Contiguous, from cut_ to planned_; those before front_ are used up.
    size_t front_ = 0;
    uint64_t cut_ = 0;      // Where the next piece starts.
    uint64_t planned_ = 0;  // Where the last run ends.
};

}  // namespace blockd::blockctl
