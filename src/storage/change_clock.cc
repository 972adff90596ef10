#include "storage/change_clock.h"

#include <blockd/assert.h>

namespace blockd::storage {

void ChangeClock::change(uint64_t first_block, uint64_t end_block) {
    ASSERT(first_block <= end_block);
    ++now_;
    if (end_block - first_block >= change_clock_places) {
        all_changed_ = now_;
        return;
    }
    for (uint64_t block = first_block; block < end_block; ++block) changed_[place_of(block)] = now_;
}

}  // namespace blockd::storage
