// Too few file descriptors, too little memory, too many who take nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "support/daemon_test.h"

namespace blockd::crash {
namespace {

using namespace support;
using Clock = std::chrono::steady_clock;

class FewDescriptors : public DaemonTest {
  protected:
    FewDescriptors() {
        config.exports.resize(1);
        daemon.set_launcher({"prlimit", "--nofile=32:32"});
    }
};

TEST_F(FewDescriptors, AcceptingRestsWithoutSpinningAndResumes) {
    constexpr size_t client_count = 100;
    std::vector<WireClient> clients;
    for (size_t count = 0; count < client_count; ++count) {
        clients.push_back(WireClient(endpoint()));
    }
    // First come, first served: the last one is not.
    ASSERT_TRUE(
        eventually([&] { return daemon.log().find("accepting rests") != std::string::npos; }));
    size_t served_count = 0;
    while (served_count < client_count &&
           eventually([&] { return clients[served_count].has_input(); }, 1000)) {
        clients[served_count].attach("disk");
        ++served_count;
    }
    EXPECT_GT(served_count, 8u);
    EXPECT_LT(served_count, 32u);

    // What it costs to wait for a free descriptor, while those who are connected are served.
    const uint64_t cpu_before_ns = daemon.status().cpu_ns;
    const auto end = Clock::now() + std::chrono::seconds(1);
    uint64_t answers = 0;
    while (Clock::now() < end) {
        expect_in_step(clients[answers % served_count]);
        answers += 1;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Else the load is measured.
    }
    const uint64_t cpu_ms = (daemon.status().cpu_ns - cpu_before_ns) / 1'000'000;
    std::cout << served_count << " served, " << answers << " answers, " << cpu_ms << " ms of CPU\n";
    EXPECT_GT(answers, 5u);
    EXPECT_LT(cpu_ms, 100u) << "in a second";

    // Each one that leaves lets the next one in, until all were served.
    for (size_t index = 0; index < client_count; ++index) {
        if (index >= served_count) clients[index].attach("disk");
        expect_in_step(clients[index]);
        clients[index].close();
    }
}

class LittleMemory : public DaemonTest {
  protected:
    LittleMemory() {
        raise_descriptor_limit();
        config.limits = {"\"buffer_bytes\": \"64MiB\"", "\"bytes_per_connection\": \"40MiB\""};
    }
};

// The bound: buffer_bytes, 64 KiB for each connection, and 40 MiB for the program.
TEST_F(LittleMemory, HoldsForHundredsOfClientsWithTheLargestRequests) {
    if (!is_memory_measurable()) GTEST_SKIP() << "a sanitizer's memory hides the daemon's";
    constexpr uint64_t client_count = 300;
    constexpr uint64_t bound = 64 * mebibyte + client_count * 64 * kibibyte + 40 * mebibyte;
    const RequestFields read = {.size = 32 * mebibyte};
    const RequestFields write = {.command = wire::cmd_write, .size = 32 * mebibyte};
    const std::string some = pattern(mebibyte, 1);
    std::vector<WireClient> clients;
    for (uint64_t index = 0; index < client_count; ++index) {
        clients.push_back(attach());
        for (int count = 0; count < 4; ++count) {
            clients.back().send_request(index % 3 == 2 ? write : read);
        }
    }
    // Half of them take their first reply; the writers never send all of their payload.
    for (uint64_t index = 2; index < client_count; index += 3) {
        clients[index].set_timeout_ms(20);
        (void)clients[index].try_send(some);
    }
    const uint64_t resident = daemon.status().resident_bytes_max;
    std::cout << "at most " << resident / mebibyte << " MiB of " << bound / mebibyte << "\n";
    EXPECT_LT(resident, bound);
    clients.clear();
    expect_service();
    EXPECT_LT(daemon.status().resident_bytes_max, bound);
}

// Whatever it cannot get, it says so: at no size does it end by a signal.
TEST(LittleAddressSpace, RefusesTheStartWithAMessageOrServes) {
    if (!is_memory_measurable()) GTEST_SKIP() << "a sanitizer reserves terabytes";
    const TemporaryDirectory directory;
    const Endpoint endpoint = {.unix_path = directory.file("socket")};
    make_sparse_file(directory.file("disk.img"), mebibyte);
    uint32_t served_count = 0;
    uint32_t refused_count = 0;
    for (uint64_t size = 24 * mebibyte; size < 520 * mebibyte; size += 15 * mebibyte) {
        DaemonProcess daemon(directory.file("log" + std::to_string(size)));
        daemon.set_launcher({"prlimit", "--as=" + std::to_string(size)});
        daemon.start(
            {"--socket", endpoint.unix_path, "--export", "disk", directory.file("disk.img")});
        ASSERT_TRUE(
            eventually([&] { return !daemon.is_running() || WireClient::can_connect(endpoint); }));
        if (daemon.is_running()) {
            ++served_count;
            EXPECT_EQ(daemon.terminate(), 0) << size;
            continue;
        }
        ++refused_count;
        EXPECT_EQ(daemon.wait_for_exit(), 1) << size << ": " << daemon.log();
        EXPECT_FALSE(daemon.log().empty()) << size;
    }
    std::cout << refused_count << " starts refused, " << served_count << " served\n";
    EXPECT_GT(served_count, 0u);
    EXPECT_GT(refused_count, 0u);
}

class StalledClients : public DaemonTest {
  protected:
    static constexpr uint32_t stalled_count = 100;

    StalledClients() { config.limits = {"\"transfer_timeout\": \"3s\""}; }

    // Of reads of 4 KiB, one at a time.
    std::chrono::microseconds p99(WireClient& client) {
        constexpr size_t count = 2000;
        std::vector<std::chrono::microseconds> latencies;
        for (size_t index = 0; index < count; ++index) {
            const auto start = Clock::now();
            EXPECT_TRUE(client.read(index % 16 * 4096, 4096).is_ok());
            latencies.push_back(
                std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start));
        }
        std::ranges::sort(latencies);
        return latencies[count * 99 / 100];
    }
};

TEST_F(StalledClients, SlowNobodyDownAndAreCutOff) {
    WireClient good = attach();
    const auto alone = p99(good);
    const uint32_t descriptor_count = daemon.status().descriptor_count;
    std::vector<WireClient> stalled;
    for (uint32_t index = 0; index < stalled_count; ++index) {
        stalled.push_back(attach("fixed"));
        for (int count = 0; count < 8; ++count) stalled.back().send_request({.size = mebibyte});
    }
    const auto beside = p99(good);
    std::cout << "p99 alone " << alone.count() << " us, beside " << stalled_count
              << " stalled clients " << beside.count() << " us\n";
    // A tenth of a second is what another program on the machine may take.
    EXPECT_LT(beside, 2 * alone + std::chrono::milliseconds(100));
    EXPECT_TRUE(eventually([&] {
        expect_in_step(good);
        return daemon.status().descriptor_count <= descriptor_count;
    })) << "all of them are gone, while the good one is served";
    for (WireClient& client : stalled) {
        std::string rest;
        EXPECT_TRUE(client.ends(&rest));
        EXPECT_LT(rest.size(), 8 * mebibyte) << "it was cut off before it had everything";
    }
}

}  // namespace
}  // namespace blockd::crash
