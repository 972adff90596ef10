#include "blockctl/copy_window.h"

#include <gtest/gtest.h>

namespace blockd::blockctl {
namespace {

TEST(CopyWindow, StartsSmallAndGrowsWhileTheWritesRunDryUpToItsBound) {
    CopyWindow window(CopyWindow::size_min + 2);
    EXPECT_EQ(window.size(), CopyWindow::size_min);
    for (const uint32_t grown : {1u, 2u, 2u}) {
        window.piece_read(0);
        EXPECT_EQ(window.size(), CopyWindow::size_min + grown);
    }
}

TEST(CopyWindow, ShrinksOnlyPastTheBoundOfWaitingWritesAndNotBelowItsMinimum) {
    CopyWindow window(100);
    window.piece_read(0);
    for (uint32_t waiting = 1; waiting <= CopyWindow::writes_waiting_max; ++waiting) {
        window.piece_read(waiting);
        EXPECT_EQ(window.size(), CopyWindow::size_min + 1);
    }
    for (int times = 0; times < 3; ++times) {
        window.piece_read(CopyWindow::writes_waiting_max + 1);
        EXPECT_EQ(window.size(), CopyWindow::size_min);
    }
}

TEST(CopyWindow, NeverPassesWhatIsAllowed) {
    CopyWindow window(1);
    for (const uint32_t waiting : {0u, 0u, 100u}) {
        EXPECT_EQ(window.size(), 1u);
        window.piece_read(waiting);
    }
    EXPECT_EQ(window.size(), 1u);
}

}  // namespace
}  // namespace blockd::blockctl
