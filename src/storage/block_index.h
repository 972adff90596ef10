// Where in a BlockCache a block of the disk lies: a hash table with open addressing.
//
// A table of twice as many places as there can be blocks, probed one place after the other; what is
// taken out closes its gap, so that no table ages. Nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace blockd::storage {

class BlockIndex {
  public:
    static constexpr uint32_t no_slot = UINT32_MAX;

    explicit BlockIndex(uint32_t blocks_max);

    // no_slot when the block is not there.
    uint32_t find(uint64_t block) const;

    void insert(uint64_t block, uint32_t slot);  // The block is not there.
    void erase(uint64_t block);                  // The block is there.

    size_t count() const { return count_; }

  private:
    struct Place {
        uint64_t block = 0;
        uint32_t slot = no_slot;  // no_slot: nothing lies here.
    };

    size_t home_of(uint64_t block) const;
    size_t next(size_t place) const { return (place + 1) & (places_.size() - 1); }

    std::vector<Place> places_;
    uint32_t shift_ = 0;  // From a hash to a place.
    size_t count_ = 0;
};

// Spreads the numbers of blocks, which come in runs, over all of 64 bits.
uint64_t hash_of_block(uint64_t block);

}  // namespace blockd::storage
