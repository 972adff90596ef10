#include "daemon/socket_paths.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

TEST(SocketPaths, AreRemovedAtTheEnd) {
    const support::TemporaryDirectory folder;
    support::write_file(folder.file("a.sock"), "");
    {
        SocketPaths paths;
        paths.add(folder.file("a.sock"));
        EXPECT_TRUE(std::filesystem::exists(folder.file("a.sock")));
    }
    EXPECT_FALSE(std::filesystem::exists(folder.file("a.sock")));
}

TEST(SocketPaths, LeaveWhatTookTheirPlace) {
    const support::TemporaryDirectory folder;
    support::write_file(folder.file("a.sock"), "ours");
    SocketPaths paths;
    paths.add(folder.file("a.sock"));
    support::write_file(folder.file("b.sock"), "another's");  // While ours lives: another inode.
    std::filesystem::rename(folder.file("b.sock"), folder.file("a.sock"));
    paths.remove_all();
    EXPECT_EQ(support::read_file(folder.file("a.sock")), "another's");
}

}  // namespace
}  // namespace blockd::daemon
