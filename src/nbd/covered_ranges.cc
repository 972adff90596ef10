#include <blockd/nbd_reply.h>

#include <blockd/assert.h>

#include <algorithm>

namespace blockd::nbd {

CoveredRanges::Added CoveredRanges::add(uint32_t begin, uint32_t end) {
    ASSERT(begin < end);
    size_t index = 0;  // Of the first range that does not end before `begin`.
    while (index < count_ && ranges_[index].end < begin) ++index;
    const bool touches_left = index < count_ && ranges_[index].end == begin;
    const size_t next = index + (touches_left ? 1 : 0);
    if (next < count_ && ranges_[next].begin < end) return Added::overlap;
    const bool touches_right = next < count_ && ranges_[next].begin == end;

    if (touches_left && touches_right) {
        ranges_[index].end = ranges_[next].end;
        std::copy(ranges_.begin() + ptrdiff_t(next + 1), ranges_.begin() + count_,
                  ranges_.begin() + ptrdiff_t(next));
        --count_;
    } else if (touches_left) {
        ranges_[index].end = end;
    } else if (touches_right) {
        ranges_[next].begin = begin;
    } else {
        if (count_ == ranges_max) return Added::too_scattered;
        std::copy_backward(ranges_.begin() + ptrdiff_t(next), ranges_.begin() + count_,
                           ranges_.begin() + count_ + 1);
        ranges_[next] = {begin, end};
        ++count_;
    }
    return Added::ok;
}

bool CoveredRanges::is_exactly(uint32_t size) const {
    if (size == 0) return count_ == 0;
    return count_ == 1 && ranges_[0].begin == 0 && ranges_[0].end == size;
}

}  // namespace blockd::nbd
