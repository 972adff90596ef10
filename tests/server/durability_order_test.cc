// A reply that promises durability is sent after the sync that makes it true, never before.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

class DurabilityOrder : public HeldServerTest {
  protected:
    // Whether these bytes would survive a power loss now.
    bool is_durable(uint64_t offset, const std::string& bytes) {
        return backend().durable_bytes(offset, bytes.size()) == bytes;
    }

    // Sends `request` while syncs are held, and sees that its reply waits for the sync.
    void expect_answer_after_sync(const RequestFields& request, const std::string& payload,
                                  const std::string& result) {
        WireClient client = attach();
        backend().hold(OperationKind::sync);
        client.send_request(request, payload);
        EXPECT_TRUE(holds(OperationKind::sync, 1)) << "command " << request.command;
        expect_taken_without_answer(client);
        EXPECT_FALSE(client.has_input());
        EXPECT_FALSE(is_durable(request.offset, result));
        backend().release(OperationKind::sync);
        EXPECT_TRUE(client.receive_answer().is_ok());
        EXPECT_TRUE(is_durable(request.offset, result));
    }
};

TEST_F(DurabilityOrder, Case54WriteWithFuaIsAnsweredAfterItsSync) {
    const std::string data = pattern(8192, 1);
    const RequestFields request = {
        .command = wire::cmd_write, .flags = wire::flag_fua, .offset = 65536, .size = 8192};
    expect_answer_after_sync(request, data, data);
}

TEST_F(DurabilityOrder, Case54UnalignedWriteWithFuaIsAnsweredAfterItsSync) {
    const std::string data = pattern(777, 2);
    const RequestFields request = {
        .command = wire::cmd_write, .flags = wire::flag_fua, .offset = 65539, .size = 777};
    expect_answer_after_sync(request, data, data);
}

TEST_F(DurabilityOrder, Case54ZeroesWithFuaAreAnsweredAfterTheirSync) {
    WireClient writer = attach();
    EXPECT_TRUE(writer.write(65536, pattern(65536, 3), wire::flag_fua).is_ok());
    for (const uint16_t flags : {uint16_t{0}, wire::flag_no_hole}) {
        EXPECT_TRUE(writer.write(65536, pattern(65536, 3), wire::flag_fua).is_ok());
        const RequestFields request = {.command = wire::cmd_write_zeroes,
                                       .flags = static_cast<uint16_t>(wire::flag_fua | flags),
                                       .offset = 65536,
                                       .size = 65536};
        expect_answer_after_sync(request, "", std::string(65536, '\0'));
    }
}

TEST_F(DurabilityOrder, Case54TrimWithFuaIsAnsweredAfterItsSync) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(65536, pattern(65536, 4), wire::flag_fua).is_ok());
    backend().hold(OperationKind::sync);
    client.send_request(
        {.command = wire::cmd_trim, .flags = wire::flag_fua, .offset = 65536, .size = 65536});
    EXPECT_TRUE(holds(OperationKind::sync, 1));
    expect_taken_without_answer(client);
    backend().release(OperationKind::sync);
    EXPECT_TRUE(client.receive_answer().is_ok());
    const std::string file = read_file(disk_path(), 65536, 65536);
    EXPECT_TRUE(is_durable(65536, file)) << "whatever the hint did, it is durable";
}

TEST_F(DurabilityOrder, Case54WriteWithoutFuaWaitsForNoSync) {
    WireClient client = attach();
    backend().hold(OperationKind::sync);
    EXPECT_TRUE(client.write(65536, pattern(4096, 5)).is_ok());
    EXPECT_EQ(backend().held_count(OperationKind::sync), 0u);
}

TEST_F(DurabilityOrder, Case54WriteWithFuaDoesNotJoinARunningSync) {
    WireClient first = attach();
    WireClient second = attach();
    backend().hold(OperationKind::sync);
    first.send_request(
        {.command = wire::cmd_write, .flags = wire::flag_fua, .offset = 0, .size = 4096},
        pattern(4096, 6));
    EXPECT_TRUE(holds(OperationKind::sync, 1));
    second.send_request(
        {.command = wire::cmd_write, .flags = wire::flag_fua, .offset = 8192, .size = 4096},
        pattern(4096, 7));
    // Its data is on its way to the file; the sync that runs began too early to cover it.
    EXPECT_TRUE(
        eventually([this] { return read_file(disk_path(), 8192, 4096) == pattern(4096, 7); }));
    expect_taken_without_answer(second);
    backend().release_one(OperationKind::sync);
    EXPECT_TRUE(first.receive_answer().is_ok());
    EXPECT_TRUE(is_durable(0, pattern(4096, 6)));
    EXPECT_TRUE(holds(OperationKind::sync, 1)) << "a sync of its own follows";
    expect_taken_without_answer(second);
    backend().release(OperationKind::sync);
    EXPECT_TRUE(second.receive_answer().is_ok());
    EXPECT_TRUE(is_durable(8192, pattern(4096, 7)));
}

TEST_F(DurabilityOrder, Case55FlushCoversTheAnsweredWritesOfAllConnections) {
    WireClient first = attach();
    WireClient second = attach();
    WireClient third = attach();
    EXPECT_TRUE(first.write(0, pattern(4096, 8)).is_ok());
    EXPECT_TRUE(second.write(40'001, pattern(5000, 9)).is_ok());
    EXPECT_FALSE(is_durable(0, pattern(4096, 8)));
    EXPECT_TRUE(third.flush().is_ok());
    EXPECT_TRUE(is_durable(0, pattern(4096, 8)));
    EXPECT_TRUE(is_durable(40'001, pattern(5000, 9)));
}

TEST_F(DurabilityOrder, Case55FlushDoesNotJoinARunningSync) {
    WireClient first = attach();
    WireClient second = attach();
    EXPECT_TRUE(first.write(0, pattern(4096, 10)).is_ok());
    backend().hold(OperationKind::sync);
    first.send_request({.command = wire::cmd_flush});
    EXPECT_TRUE(holds(OperationKind::sync, 1));
    EXPECT_TRUE(second.write(8192, pattern(4096, 11)).is_ok());
    second.send_request({.command = wire::cmd_flush});
    expect_taken_without_answer(second);
    backend().release_one(OperationKind::sync);
    EXPECT_TRUE(first.receive_answer().is_ok());
    EXPECT_TRUE(holds(OperationKind::sync, 1));
    expect_taken_without_answer(second);
    backend().release(OperationKind::sync);
    EXPECT_TRUE(second.receive_answer().is_ok());
    EXPECT_TRUE(is_durable(8192, pattern(4096, 11)));
}

TEST_F(DurabilityOrder, FlushesThatWaitTogetherShareOneSync) {
    constexpr uint32_t client_count = 8;
    std::vector<WireClient> clients;
    for (uint32_t index = 0; index < client_count; ++index) clients.push_back(attach());
    EXPECT_TRUE(clients[0].write(0, pattern(4096, 12)).is_ok());
    backend().hold(OperationKind::sync);
    clients[0].send_request({.command = wire::cmd_flush});
    EXPECT_TRUE(holds(OperationKind::sync, 1));
    for (uint32_t index = 1; index < client_count; ++index) {
        EXPECT_TRUE(clients[index].write(index * 8192, pattern(4096, index)).is_ok());
        clients[index].send_request({.command = wire::cmd_flush});
        expect_taken_without_answer(clients[index]);
    }
    backend().release(OperationKind::sync);
    for (WireClient& client : clients) EXPECT_TRUE(client.receive_answer().is_ok());
    EXPECT_EQ(backend().arrived_count(OperationKind::sync), 2u);
}

// Random writes and flushes over four connections. After each answered FLUSH or FUA write, a power
// loss would leave every write that was answered before the request was sent.
TEST_F(DurabilityOrder, Case55NoAnswerPromisesTooMuch) {
    const uint64_t seed = std::random_device()();
    std::mt19937_64 random(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::vector<WireClient> clients;
    for (int index = 0; index < 4; ++index) clients.push_back(attach());
    std::map<uint64_t, std::string> answered;  // By offset; pieces never overlap.
    for (uint32_t round = 0; round < 600 && !HasFailure(); ++round) {
        WireClient& client = clients[random() % clients.size()];
        const uint64_t place = random() % 200;
        const uint64_t offset = place * 16'384 + place % 3 * 100;
        const std::string data = pattern(1 + place * 37 % 12'000, round);
        switch (random() % 8) {
            case 0:
                EXPECT_TRUE(client.flush().is_ok());
                for (const auto& [at, bytes] : answered) EXPECT_TRUE(is_durable(at, bytes)) << at;
                break;
            case 1:
                EXPECT_TRUE(client.write(offset, data, wire::flag_fua).is_ok());
                EXPECT_TRUE(is_durable(offset, data)) << offset;
                answered[offset] = data;
                break;
            default: EXPECT_TRUE(client.write(offset, data).is_ok()); answered[offset] = data;
        }
    }
}

}  // namespace
}  // namespace blockd::support
