#include "blockctl/copy_window.h"

#include <gtest/gtest.h>

namespace blockd::blockctl {
namespace {

TEST(CopyWindow, GrowsWhenTheWritesRunDryUpToItsBound) {
    CopyWindow window(CopyWindow::size_at_first + 6);
    EXPECT_EQ(window.size(), CopyWindow::size_at_first);
    window.piece_read(0);
    EXPECT_EQ(window.size(), CopyWindow::size_at_first + 4);
    for (int times = 0; times < 3; ++times) window.piece_read(0);
    EXPECT_EQ(window.size(), CopyWindow::size_at_first + 6);
}

TEST(CopyWindow, ShrinksOnlyAfterAWholeWindowWithoutADrySpellAndNotBelowItsMinimum) {
    CopyWindow window(100);
    for (uint32_t piece = 0; piece < CopyWindow::size_at_first; ++piece) {
        window.piece_read(CopyWindow::writing_count_max + 1);
        ASSERT_EQ(window.size(), CopyWindow::size_at_first);
    }
    window.piece_read(CopyWindow::writing_count_max);
    EXPECT_EQ(window.size(), CopyWindow::size_at_first);
    window.piece_read(CopyWindow::writing_count_max + 1);
    EXPECT_EQ(window.size(), CopyWindow::size_at_first - 1);
    for (int piece = 0; piece < 100; ++piece) {
        window.piece_read(CopyWindow::writing_count_max + 1);
    }
    EXPECT_EQ(window.size(), CopyWindow::size_min);
}

// A distant server's replies: all that was asked for arrives at once, then nothing for long.
TEST(CopyWindow, GrowsToItsBoundUnderBursts) {
    CopyWindow window(256);
    for (int burst = 0; burst < 30; ++burst) {
        const uint32_t count = window.size();
        for (uint32_t waiting = 0; waiting < count; ++waiting) window.piece_read(waiting);
        EXPECT_GE(window.size(), count);
    }
    EXPECT_EQ(window.size(), 256u);
}

TEST(CopyWindow, NeverPassesWhatIsAllowedHoweverLittle) {
    CopyWindow window(1);
    for (const uint32_t waiting : {0u, 0u, 100u, 100u, 100u}) {
        window.piece_read(waiting);
        EXPECT_EQ(window.size(), 1u);
    }
}

}  // namespace
}  // namespace blockd::blockctl
