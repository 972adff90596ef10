// The data file is cut off underneath the daemon.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <unistd.h>

#include "support/daemon_test.h"

namespace blockd::crash {
namespace {

using namespace support;

using TruncatedFile = DaemonTest;

TEST_F(TruncatedFile, IsAnErrorPastItsEndAndServedBeforeIt) {
    constexpr uint64_t cut = disk_size / 2;
    const std::string data = pattern(64 * kibibyte, 1);
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, data).is_ok());
    EXPECT_TRUE(client.write(disk_size - data.size(), data).is_ok());

    // Readers before and behind the place, all the while.
    std::atomic<bool> is_over = false;
    std::atomic<uint64_t> failed_reads = 0;
    std::vector<std::thread> readers;
    for (const uint64_t offset : {uint64_t{0}, disk_size - data.size()}) {
        readers.emplace_back([&, offset] {
            WireClient reader = attach();
            while (!is_over) {
                const Answer answer = reader.read(offset, static_cast<uint32_t>(data.size()));
                if (!answer.is_complete) return;
                if (offset == 0 || answer.error == 0) {
                    EXPECT_TRUE(answer.data == data);
                } else {
                    EXPECT_EQ(answer.error, wire::eio);
                    ++failed_reads;
                }
            }
        });
    }
    EXPECT_EQ(truncate(file("disk").c_str(), cut), 0);
    EXPECT_TRUE(eventually([&] { return failed_reads > 20; }));
    is_over = true;
    for (std::thread& reader : readers) reader.join();

    EXPECT_EQ(client.read(cut, 4096).error, wire::eio);
    EXPECT_EQ(client.read(cut - 4096, 8192).error, wire::eio) << "across the end";
    EXPECT_EQ(client.read(cut + 100, 512).error, wire::eio);
    EXPECT_TRUE(client.read(cut - 4096, 4096).is_ok());
    EXPECT_TRUE(client.write(0, pattern(4096, 2), wire::flag_fua).is_ok());
    EXPECT_TRUE(client.read(0, 4096).data == pattern(4096, 2));
    WireClient other = attach("other");
    EXPECT_TRUE(other.write(0, data).is_ok());
    EXPECT_TRUE(other.flush().is_ok());
    EXPECT_TRUE(daemon.is_running()) << "no SIGBUS";
}

}  // namespace
}  // namespace blockd::crash
