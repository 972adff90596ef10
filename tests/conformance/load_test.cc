// Many clients at once, the limits, and a stop in the middle of work.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

class Load : public DaemonTest {
  protected:
    Load() { raise_descriptor_limit(); }

    void limit(std::vector<std::string> members) {
        config.limits = std::move(members);
        start();
    }
};

TEST_F(Load, IdleConnectionTakesLessThan64KiB) {
    constexpr uint32_t count = 1000;
    expect_service();  // What is made once is made.
    const uint64_t before = daemon.status().resident_bytes;
    std::vector<WireClient> clients;
    for (uint32_t index = 0; index < count; ++index) clients.push_back(attach());
    for (WireClient& client : clients) expect_in_step(client);
    const uint64_t after = daemon.status().resident_bytes;
    std::cout << "an idle connection takes " << (after - before) / count << " bytes\n";
    if (is_memory_measurable()) {
        EXPECT_LT((after - before) / count, 64 * kibibyte);
    }
    const uint64_t cpu_ns = daemon.status().cpu_ns;
    WireClient last = attach();
    for (int round = 0; round < 100; ++round) expect_in_step(last);
    EXPECT_LT(daemon.status().cpu_ns - cpu_ns, 1'000'000'000u) << "idle clients cost no time";
}

TEST_F(Load, ConnectionLimitLetsTheNextInOnceOneLeaves) {
    limit({"\"connections\": 4"});
    std::vector<WireClient> clients;
    for (int count = 0; count < 4; ++count) clients.push_back(attach());
    WireClient fifth = connect();
    EXPECT_TRUE(fifth.ends()) << "it is refused, without a greeting";
    for (WireClient& client : clients) expect_in_step(client);
    clients.pop_back();
    EXPECT_TRUE(eventually([this] {
        WireClient next = connect();
        next.set_timeout_ms(500);
        std::string greeting;
        const bool is_served =
            next.try_send(WireBytes().u32(3).bytes() + option_bytes(wire::opt_abort)) &&
            next.ends(&greeting) && !greeting.empty();
        return is_served;
    })) << "there is room again";
}

TEST_F(Load, ConnectionLimitTakesThePlaceOfWhoNegotiatesLongest) {
    limit({"\"connections\": 4"});
    std::vector<WireClient> attached;
    attached.push_back(attach());
    WireClient oldest = connect();
    oldest.receive_greeting();
    WireClient younger = connect();
    younger.receive_greeting();
    for (int count = 0; count < 2; ++count) attached.push_back(attach());
    EXPECT_TRUE(oldest.ends()) << "the fifth took its place";
    EXPECT_FALSE(younger.has_input());
    for (WireClient& client : attached) expect_in_step(client);
}

TEST_F(Load, RequestLimitsHoldNobodyUpForever) {
    limit({"\"requests_per_connection\": 2", "\"requests\": 3", "\"buffer_bytes\": \"64MiB\"",
           "\"bytes_per_connection\": \"40MiB\""});
    std::vector<std::thread> threads;
    std::vector<WireClient> clients;
    for (int index = 0; index < 4; ++index) clients.push_back(attach());
    const RequestFields request = {.size = 32 * mebibyte};
    for (WireClient& client : clients) {
        threads.emplace_back([&client, &request] {
            for (int count = 0; count < 3; ++count) client.send_request(request);
            for (int count = 0; count < 3; ++count) {
                EXPECT_TRUE(client.receive_answer(request).is_ok());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes_max, 64 * mebibyte + 40 * mebibyte);
    }
}

// Whole payloads that never come to an end hold memory; it is bounded, and others still get some.
TEST_F(Load, UnfinishedWritesOfManyClientsStayWithinTheMemory) {
    limit({"\"buffer_bytes\": \"64MiB\"", "\"bytes_per_connection\": \"40MiB\""});
    std::vector<WireClient> clients;
    const std::string head =
        request_bytes({.command = wire::cmd_write, .cookie = 1, .size = 32 * mebibyte});
    const std::string half = pattern(mebibyte, 1);
    for (int index = 0; index < 20; ++index) {
        clients.push_back(attach());
        clients.back().set_timeout_ms(200);
        (void)clients.back().try_send(head);
        (void)clients.back().try_send(half);
    }
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes_max, 64 * mebibyte + 40 * mebibyte);
    }
    clients.clear();
    expect_service();
    EXPECT_EQ(read_file(file("disk"), 0, 4096), std::string(4096, '\0'));
}

TEST_F(Load, StopUnderLoadKeepsEveryAnsweredWrite) {
    constexpr uint32_t writer_count = 4;
    constexpr uint32_t blocks_per_writer = 3000;
    std::array<std::atomic<uint32_t>, writer_count> answered{};
    std::vector<std::thread> threads;
    for (uint32_t writer = 0; writer < writer_count; ++writer) {
        threads.emplace_back([this, writer, &answered] {
            WireClient client = attach();
            for (uint32_t index = 0; index < blocks_per_writer; ++index) {
                const uint64_t offset = (uint64_t{index} * writer_count + writer) * 4096;
                const std::string data = pattern(4096, static_cast<uint32_t>(offset >> 12));
                const RequestFields request = {
                    .command = wire::cmd_write, .cookie = 1, .offset = offset, .size = 4096};
                if (!client.try_send(request_bytes(request) + data)) return;
                if (!eventually([&] { return client.has_input(); })) return;
                std::string reply;
                if (!client.try_receive(16, &reply) || read_u32(reply, 4) != 0) return;
                answered[writer] = index + 1;
            }
        });
    }
    EXPECT_TRUE(eventually([&] { return answered[0] > 100 && answered[writer_count - 1] > 100; }));
    EXPECT_EQ(daemon.terminate(), 0) << daemon.log();
    for (std::thread& thread : threads) thread.join();
    for (uint32_t writer = 0; writer < writer_count; ++writer) {
        for (uint32_t index = 0; index < answered[writer]; ++index) {
            const uint64_t offset = (uint64_t{index} * writer_count + writer) * 4096;
            ASSERT_TRUE(read_file(file("disk"), offset, 4096) ==
                        pattern(4096, static_cast<uint32_t>(offset >> 12)))
                << offset;
        }
    }
    start();
}

TEST_F(Load, KilledDaemonIsReplacedOnItsOwnSocketPath) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(4096, 1), wire::flag_fua).is_ok());
    restart();
    WireClient again = attach();
    EXPECT_TRUE(again.read(0, 4096).data == pattern(4096, 1));
}

}  // namespace
}  // namespace blockd::support
