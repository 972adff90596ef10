#include "blockctl/copy_plan.h"

#include <blockd/assert.h>

#include <algorithm>
#include <bit>

namespace blockd::blockctl {

CopyPlan::CopyPlan(const Options& options) : options_(options) {
    ASSERT(std::has_single_bit(options.alignment));
    ASSERT(options.request_size > 0 && options.request_size % options.alignment == 0);
    ASSERT(options.zero_size_max > 0 && options.zero_size_max % options.alignment == 0);
}

void CopyPlan::add_extents(std::span<const io::Extent> extents) {
    ASSERT(!has_piece());
    ASSERT(planned_ < options_.size);
    runs_.clear();
    front_ = 0;

    const uint64_t begin = planned_;
    uint64_t end = begin;
    for (const io::Extent& extent : extents) {
        const uint64_t extent_begin = end;
        end += std::min(extent.size, options_.size - end);
        if (extent.is_hole) {
            add_hole(extent_begin, end);
        } else {
            add_data(end);
        }
    }
    // A hole smaller than the alignment, and nothing else: going on from `begin` would never end.
    if (planned_ == begin) add_data(end);
    ASSERT(planned_ > begin);
}

Piece CopyPlan::next() {
    ASSERT(has_piece());
    const Run& run = runs_[front_];
    const uint64_t limit = run.is_zero ? cut_ + options_.zero_size_max
                                       : (cut_ / options_.request_size + 1) * options_.request_size;
    const uint64_t end = std::min(run.end, limit);
    const Piece piece = {.offset = cut_, .size = end - cut_, .is_zero = run.is_zero};
    cut_ = end;
    if (end == run.end) ++front_;
    return piece;
}

void CopyPlan::add_hole(uint64_t begin, uint64_t end) {
    const uint64_t hole_begin = std::max(planned_, round_up(begin));
    const uint64_t hole_end = end == options_.size ? end : round_down(end);
    if (hole_begin >= hole_end) return;

    if (hole_begin > planned_) push(hole_begin, false);
    push(hole_end, true);
}

void CopyPlan::add_data(uint64_t end) {
    const uint64_t data_end = std::min(round_up(end), options_.size);
    if (data_end > planned_) push(data_end, false);
}

void CopyPlan::push(uint64_t end, bool is_zero) {
    ASSERT(end > planned_ && end <= options_.size);
    if (!runs_.empty() && runs_.back().is_zero == is_zero) {
        runs_.back().end = end;
    } else {
        runs_.push_back({.end = end, .is_zero = is_zero});
    }
    planned_ = end;
}

uint64_t CopyPlan::round_down(uint64_t offset) const {
    return offset & ~uint64_t(options_.alignment - 1);
}

uint64_t CopyPlan::round_up(uint64_t offset) const {
    return round_down(offset + options_.alignment - 1);
}

}  // namespace blockd::blockctl
