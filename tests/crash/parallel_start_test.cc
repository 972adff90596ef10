// Many daemons want one file.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::crash {
namespace {

using namespace support;

constexpr int exit_start_failed = 1;

TEST(ParallelStart, ExactlyOneOfFiftyDaemonsGetsTheFile) {
    constexpr size_t count = 50;
    const TemporaryDirectory directory;
    make_sparse_file(directory.file("disk.img"), mebibyte);
    std::vector<std::unique_ptr<DaemonProcess>> daemons;
    std::vector<Endpoint> endpoints;
    for (size_t index = 0; index < count; ++index) {
        const std::string number = std::to_string(index);
        endpoints.push_back({.unix_path = directory.file("socket" + number)});
        daemons.push_back(std::make_unique<DaemonProcess>(directory.file("log" + number)));
        daemons.back()->start({"--socket", endpoints.back().unix_path, "--export", "disk",
                               directory.file("disk.img")});
    }
    const auto running = [&] {
        return std::ranges::count_if(daemons, [](auto& each) { return each->is_running(); });
    };
    EXPECT_TRUE(eventually([&] { return running() <= 1; }));
    ASSERT_EQ(running(), 1);
    for (size_t index = 0; index < count; ++index) {
        if (daemons[index]->is_running()) {
            EXPECT_TRUE(daemons[index]->wait_until_ready(endpoints[index]));
            EXPECT_EQ(daemons[index]->terminate(), 0);
            continue;
        }
        EXPECT_EQ(daemons[index]->wait_for_exit(), exit_start_failed);
        const std::string log = daemons[index]->log();
        EXPECT_NE(log.find(directory.file("disk.img")), std::string::npos) << log;
        EXPECT_NE(log.find("lock"), std::string::npos) << log;
    }
}

}  // namespace
}  // namespace blockd::crash
