#include <blockd/nbd_reply.h>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace blockd::nbd {
namespace {

using Added = CoveredRanges::Added;

TEST(CoveredRanges, PiecesInOrderMergeIntoOne) {
    CoveredRanges ranges;
    EXPECT_TRUE(ranges.is_exactly(0));
    for (uint32_t begin = 0; begin < 1000; begin += 10) {
        EXPECT_FALSE(ranges.is_exactly(1000));
        EXPECT_EQ(ranges.add(begin, begin + 10), Added::ok);
    }
    EXPECT_TRUE(ranges.is_exactly(1000));
    EXPECT_FALSE(ranges.is_exactly(999));
    EXPECT_FALSE(ranges.is_exactly(0));
}

TEST(CoveredRanges, OverlapIsFound) {
    CoveredRanges ranges;
    EXPECT_EQ(ranges.add(100, 200), Added::ok);
    EXPECT_EQ(ranges.add(300, 400), Added::ok);
    for (const auto& [begin, end] :
         {std::pair(100u, 200u), std::pair(0u, 101u), std::pair(199u, 300u), std::pair(150u, 160u),
          std::pair(200u, 301u), std::pair(399u, 500u), std::pair(0u, 1000u)}) {
        EXPECT_EQ(ranges.add(begin, end), Added::overlap) << begin << " to " << end;
    }
    EXPECT_EQ(ranges.add(200, 300), Added::ok);
}

TEST(CoveredRanges, TakesItsBoundOfPlacesAndNoMore) {
    CoveredRanges ranges;
    for (uint32_t index = 0; index < CoveredRanges::ranges_max; ++index) {
        EXPECT_EQ(ranges.add(index * 10, index * 10 + 1), Added::ok);
    }
    EXPECT_EQ(ranges.add(5, 6), Added::too_scattered);
    EXPECT_EQ(ranges.add(1, 10), Added::ok) << "what merges needs no place";
}

TEST(CoveredRanges, AgreesWithACountOfEveryByte) {
    const uint64_t seed = std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (uint32_t round = 0; round < 500; ++round) {
        constexpr uint32_t size = 64;
        CoveredRanges ranges;
        std::vector<bool> covered(size);
        size_t covered_count = 0;
        for (uint32_t step = 0; step < 200; ++step) {
            const uint32_t begin = uint32_t(random() % size);
            const uint32_t end = begin + 1 + uint32_t(random() % (size - begin));
            bool is_new = true;
            for (uint32_t index = begin; index < end; ++index) is_new &= !covered[index];
            const Added added = ranges.add(begin, end);
            ASSERT_EQ(added == Added::overlap, !is_new);
            if (added != Added::ok) continue;
            for (uint32_t index = begin; index < end; ++index) covered[index] = true;
            covered_count += end - begin;
            ASSERT_EQ(ranges.is_exactly(size), covered_count == size);
        }
    }
}

}  // namespace
}  // namespace blockd::nbd
