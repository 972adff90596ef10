#include "blockctl/copy_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <queue>
#include <random>
#include <vector>

namespace blockd::blockctl {
namespace {

constexpr uint64_t us = 1000;
constexpr uint64_t ms = 1000 * us;

// What a piece meets: one of several servers, drawn by lot, that serves one after the other, each
// in `service`; and it comes back no earlier than `latency` after it began, at a multiple of
// `burst`.
struct Sides {
    uint64_t latency = 300 * us;
    uint64_t service = 100 * us;
    bool is_service_random = false;  // Exponential: many short ones, a few long ones.
    uint64_t burst = 1;
    uint32_t servers = 1;
};

// A window that stays as it is, to compare with.
struct FixedWindow {
    uint32_t size() const { return 256; }
    void piece_done(uint64_t, uint64_t) {}
};

class CopyWindowTest : public testing::Test {
  protected:
    void TearDown() override {
        if (HasFailure()) ADD_FAILURE() << "seed " << seed_;
    }

    // So many pieces; between them are as many under way as the window says. The time of them all
    // by their number.
    template <typename Window>
    uint64_t copy(Window& window, const Sides& sides, int pieces) {
        const uint64_t copy_began_at = now;
        size_least = UINT32_MAX;
        for (int done = 0; done < pieces; ++done) {
            while (under_way_.size() < window.size()) begin(sides);
            const Piece piece = under_way_.top();
            under_way_.pop();
            now = piece.ends_at;
            window.piece_done(piece.began_at, now);
            if (window.size() > CopyWindow::size_min) {
                size_least = std::min(size_least, window.size());
            }
        }
        return (now - copy_began_at) / uint64_t(pieces);
    }

    uint64_t now = 1000;
    uint32_t size_least = 0;  // Of the last copy(), small rounds left out.

  private:
    struct Piece {
        uint64_t began_at;
        uint64_t ends_at;
        bool operator<(const Piece& other) const { return ends_at > other.ends_at; }
    };

    void begin(const Sides& sides) {
        served_at_.resize(sides.servers);
        uint64_t& server = served_at_[random_() % sides.servers];
        double service = double(sides.service);
        if (sides.is_service_random) service *= std::exponential_distribution<>(1)(random_);
        server = std::max(now, server) + uint64_t(service);
        const uint64_t ends_at = std::max(server, now + sides.latency);
        under_way_.push(
            {.began_at = now, .ends_at = (ends_at + sides.burst - 1) / sides.burst * sides.burst});
    }

    const uint32_t seed_ = std::random_device()();
    std::mt19937 random_{seed_};
    std::priority_queue<Piece> under_way_;
    std::vector<uint64_t> served_at_;
};

TEST_F(CopyWindowTest, BeginsSmallThenTakesItsFirstSize) {
    CopyWindow window(256);
    for (uint32_t piece = 0; piece < CopyWindow::pieces_min; ++piece) {
        EXPECT_EQ(window.size(), CopyWindow::size_min);
        window.piece_done(now, now + us);
    }
    EXPECT_EQ(window.size(), CopyWindow::size_at_first);
}

TEST_F(CopyWindowTest, KeepsNearSidesBusyWithFewWaiting) {
    CopyWindow window(256);
    const Sides near;
    copy(window, near, 1000);
    EXPECT_LE(copy(window, near, 10'000), near.service * 101 / 100);
    EXPECT_LE(window.size(), 4 * CopyWindow::size_min);
}

TEST_F(CopyWindowTest, KeepsManyDisksBusy) {
    const Sides disks = {.service = 5 * ms, .is_service_random = true, .servers = 32};
    FixedWindow fixed;
    const uint64_t least = copy(fixed, disks, 20'000);
    CopyWindow window(256);
    copy(window, disks, 5000);
    EXPECT_LE(copy(window, disks, 20'000), 2 * least);
}

TEST_F(CopyWindowTest, GrowsToItsBoundWhereTheOtherSideIsDistant) {
    CopyWindow window(256);
    const Sides distant = {.latency = 100 * ms};
    copy(window, distant, 2000);
    EXPECT_EQ(window.size(), 256u);
    copy(window, distant, 50'000);
    EXPECT_EQ(size_least, 256u);
}

// Replies that all arrive at once, and then none for long.
TEST_F(CopyWindowTest, GrowsToItsBoundUnderBursts) {
    CopyWindow window(256);
    const Sides distant = {.latency = 50 * ms, .burst = 20 * ms};
    copy(window, distant, 2000);
    EXPECT_EQ(window.size(), 256u);
}

// What was cached is read, and then a disk that serves many requests at once, each for long.
TEST_F(CopyWindowTest, GrowsWhenPiecesBecomeSlowWithoutWaiting) {
    CopyWindow window(256);
    copy(window, {}, 10'000);
    copy(window, {.latency = 20 * ms, .service = 10 * us}, 5000);
    EXPECT_EQ(window.size(), 256u);
}

TEST_F(CopyWindowTest, ShrinksWhenPiecesBeginToWait) {
    CopyWindow window(256);
    copy(window, {.latency = 100 * ms}, 5000);
    ASSERT_EQ(window.size(), 256u);
    copy(window, {}, 256 * int(CopyWindow::rounds_between_small_ones + 40));
    EXPECT_LE(window.size(), 4 * CopyWindow::size_min);
}

TEST_F(CopyWindowTest, PiecesOfAnEarlierRoundSayNothingOfThisOne) {
    CopyWindow window(256);
    for (uint32_t piece = 0; piece < CopyWindow::pieces_min; ++piece) window.piece_done(100, 200);
    const uint32_t size = window.size();
    for (int piece = 0; piece < 1000; ++piece) window.piece_done(199, 1'000'000);
    EXPECT_EQ(window.size(), size);
}

TEST_F(CopyWindowTest, NeverPassesWhatIsAllowedHoweverLittle) {
    for (const uint32_t size_max : {1u, CopyWindow::size_min, CopyWindow::size_at_first + 1}) {
        CopyWindow window(size_max);
        for (int piece = 0; piece < 10'000; ++piece) {
            window.piece_done(uint64_t(piece), uint64_t(piece) + (piece % 100 < 50 ? 1 : 1000));
            ASSERT_GE(window.size(), std::min(size_max, CopyWindow::size_min));
            ASSERT_LE(window.size(), size_max);
        }
    }
}

}  // namespace
}  // namespace blockd::blockctl
