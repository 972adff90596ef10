#include "storage/block_index.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

namespace blockd::storage {
namespace {

TEST(BlockIndex, FindsWhatIsThereAndNothingElse) {
    BlockIndex index(4);
    EXPECT_EQ(index.find(0), BlockIndex::no_slot);
    index.insert(0, 3);
    index.insert(UINT64_MAX, 2);
    EXPECT_EQ(index.find(0), 3u);
    EXPECT_EQ(index.find(UINT64_MAX), 2u);
    EXPECT_EQ(index.find(1), BlockIndex::no_slot);
    index.erase(0);
    EXPECT_EQ(index.find(0), BlockIndex::no_slot);
    EXPECT_EQ(index.count(), 1u);
}

// Goal: gaps close, also around the table's end, so that no block gets lost behind one.
// Method: a full index, in which random blocks of a narrow range come and go, against a map.
TEST(BlockIndex, AgreesWithAMapWhileItIsFull) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    constexpr uint32_t blocks_max = 61;
    constexpr uint64_t range = 200;
    BlockIndex index(blocks_max);
    std::unordered_map<uint64_t, uint32_t> model;

    for (uint32_t step = 0; step < 200'000; ++step) {
        const uint64_t block = random() % range;
        if (model.contains(block)) {
            index.erase(block);
            model.erase(block);
        } else if (model.size() < blocks_max) {
            index.insert(block, step);
            model[block] = step;
        }
        const uint64_t asked = random() % range;
        const auto found = model.find(asked);
        ASSERT_EQ(index.find(asked), found == model.end() ? BlockIndex::no_slot : found->second);
        ASSERT_EQ(index.count(), model.size());
    }
}

}  // namespace
}  // namespace blockd::storage
