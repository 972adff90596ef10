#include "blockctl/copy_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace blockd::blockctl {
namespace {

using testing::ElementsAre;

std::vector<Piece> all_pieces(CopyPlan& plan) {
    std::vector<Piece> pieces;
    while (plan.has_piece()) pieces.push_back(plan.next());
    return pieces;
}

void add(CopyPlan& plan, const std::vector<io::Extent>& extents) { plan.add_extents(extents); }

TEST(CopyPlan, CutsDataAtMultiplesOfTheRequestSize) {
    CopyPlan plan({.size = 100, .request_size = 32, .zero_size_max = 1024, .alignment = 1});
    add(plan, {{.size = 10, .is_hole = true}, {.size = 90, .is_hole = false}});
    EXPECT_THAT(all_pieces(plan),
                ElementsAre(Piece{0, 10, true}, Piece{10, 22, false}, Piece{32, 32, false},
                            Piece{64, 32, false}, Piece{96, 4, false}));
    EXPECT_TRUE(plan.is_complete());
}

TEST(CopyPlan, CutsZerosAtTheirMaximum) {
    CopyPlan plan({.size = 2500, .request_size = 32, .zero_size_max = 1024, .alignment = 1});
    add(plan, {{.size = 5000, .is_hole = true}});
    EXPECT_THAT(all_pieces(plan),
                ElementsAre(Piece{0, 1024, true}, Piece{1024, 1024, true}, Piece{2048, 452, true}));
}

TEST(CopyPlan, ShrinksHolesToTheAlignment) {
    CopyPlan plan({.size = 64, .request_size = 64, .zero_size_max = 64, .alignment = 8});
    add(plan, {{.size = 5, .is_hole = false},
               {.size = 30, .is_hole = true},
               {.size = 29, .is_hole = false}});
    EXPECT_THAT(all_pieces(plan),
                ElementsAre(Piece{0, 8, false}, Piece{8, 24, true}, Piece{32, 32, false}));
}

TEST(CopyPlan, TakesAHoleSmallerThanTheAlignmentForData) {
    CopyPlan plan({.size = 64, .request_size = 64, .zero_size_max = 64, .alignment = 16});
    add(plan, {{.size = 7, .is_hole = true}});
    EXPECT_THAT(all_pieces(plan), ElementsAre(Piece{0, 16, false}));
    EXPECT_EQ(plan.extents_offset(), 16u);
    EXPECT_FALSE(plan.is_complete());
}

TEST(CopyPlan, KeepsAHoleThatEndsWithTheSource) {
    CopyPlan plan({.size = 61, .request_size = 64, .zero_size_max = 64, .alignment = 16});
    add(plan, {{.size = 40, .is_hole = false}, {.size = 21, .is_hole = true}});
    EXPECT_THAT(all_pieces(plan), ElementsAre(Piece{0, 48, false}, Piece{48, 13, true}));
    EXPECT_TRUE(plan.is_complete());
}

TEST(CopyPlan, OfNothingIsComplete) {
    const CopyPlan plan({.size = 0, .request_size = 64, .zero_size_max = 64, .alignment = 16});
    EXPECT_TRUE(plan.is_complete());
}

// A source as a bitmap, and what every piece of a plan over it must satisfy.
class RandomSource {
  public:
    explicit RandomSource(std::mt19937& random) : random_(random), is_hole_(1 + random() % 3000) {
        bool is_hole = random() % 2 == 0;
        for (size_t at = 0; at < is_hole_.size(); ++at) {
            if (random() % 20 == 0) is_hole = !is_hole;
            is_hole_[at] = is_hole;
        }
    }

    uint64_t size() const { return is_hole_.size(); }

    // From `offset` on, cut at random, and now and then past the end.
    std::vector<io::Extent> extents(uint64_t offset) {
        std::vector<io::Extent> extents;
        const size_t count = 1 + random_() % 5;
        while (offset < size() && extents.size() < count) {
            uint64_t end = offset + 1;
            while (end < size() && is_hole_[end] == is_hole_[offset] && random_() % 50 != 0) ++end;
            extents.push_back({.size = end - offset, .is_hole = is_hole_[offset]});
            offset = end;
        }
        if (offset == size()) extents.back().size += random_() % 100;
        return extents;
    }

    bool is_hole(uint64_t offset, uint64_t size) const {
        for (uint64_t at = offset; at < offset + size; ++at) {
            if (!is_hole_[at]) return false;
        }
        return true;
    }

  private:
    std::mt19937& random_;
    std::vector<bool> is_hole_;
};

// Goal: whatever the source says, the pieces cover it exactly, and never take data for zeros.
TEST(CopyPlan, CoversRandomSourcesAndNeverSparesData) {
    const uint32_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 2000; ++round) {
        RandomSource source(random);
        const uint32_t alignment = 1u << random() % 7;
        const uint32_t request_size = alignment * (1 + uint32_t(random() % 5));
        CopyPlan plan({.size = source.size(),
                       .request_size = request_size,
                       .zero_size_max = uint64_t(alignment) * 7,
                       .alignment = alignment});
        uint64_t next = 0;
        while (!plan.is_complete()) {
            if (!plan.has_piece()) plan.add_extents(source.extents(plan.extents_offset()));
            const Piece piece = plan.next();
            ASSERT_EQ(piece.offset, next);
            ASSERT_GT(piece.size, 0u);
            next += piece.size;
            ASSERT_TRUE(next % alignment == 0 || next == source.size());
            ASSERT_LE(piece.size, piece.is_zero ? alignment * 7 : request_size);
            if (piece.is_zero) {
                ASSERT_TRUE(source.is_hole(piece.offset, piece.size));
            } else {
                ASSERT_EQ(piece.offset / request_size, (next - 1) / request_size);
            }
        }
        ASSERT_EQ(next, source.size());
    }
}

}  // namespace
}  // namespace blockd::blockctl
