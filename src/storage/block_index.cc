#include "storage/block_index.h"

#include <blockd/assert.h>

#include <algorithm>
#include <bit>

namespace blockd::storage {

// The upper bits of a product with the golden ratio, as Fibonacci hashing takes them.
uint64_t hash_of_block(uint64_t block) { return block * 0x9e37'79b9'7f4a'7c15; }

BlockIndex::BlockIndex(uint32_t blocks_max)
    : places_(std::bit_ceil(2 * std::max<size_t>(blocks_max, 1))),
      shift_(uint32_t(64 - std::countr_zero(places_.size()))) {}

size_t BlockIndex::home_of(uint64_t block) const { return hash_of_block(block) >> shift_; }

uint32_t BlockIndex::find(uint64_t block) const {
    for (size_t place = home_of(block); places_[place].slot != no_slot; place = next(place)) {
        if (places_[place].block == block) return places_[place].slot;
    }
    return no_slot;
}

void BlockIndex::insert(uint64_t block, uint32_t slot) {
    ASSERT(slot != no_slot);
    ASSERT(2 * count_ < places_.size());
    size_t place = home_of(block);
    while (places_[place].slot != no_slot) {
        ASSERT(places_[place].block != block);
        place = next(place);
    }
    places_[place] = {.block = block, .slot = slot};
    ++count_;
}

// What follows the gap moves into it, unless it would come to lie before its home.
void BlockIndex::erase(uint64_t block) {
    size_t gap = home_of(block);
    while (places_[gap].block != block || places_[gap].slot == no_slot) {
        ASSERT(places_[gap].slot != no_slot);
        gap = next(gap);
    }
    const size_t mask = places_.size() - 1;
    for (size_t place = next(gap); places_[place].slot != no_slot; place = next(place)) {
        const size_t from_home = (place - home_of(places_[place].block)) & mask;
        const size_t from_gap = (place - gap) & mask;
        if (from_home < from_gap) continue;
        places_[gap] = places_[place];
        gap = place;
    }
    places_[gap].slot = no_slot;
    --count_;
}

}  // namespace blockd::storage
