// When the loop is told that more requests are about to come.
#include <gtest/gtest.h>

#include <string>

#include "server/limits.h"
#include "support/held_server.h"

namespace blockd::support {
namespace {

class ExpectMore : public HeldServerTest {
  protected:
    ExpectMore() { disk_workers = 2 * server::gather_disk_operations_min; }
};

// One send, so that they come in together.
void read_at_once(WireClient& client, uint32_t count) {
    std::string requests;
    for (uint32_t index = 0; index < count; ++index) {
        requests += request_bytes({.command = wire::cmd_read,
                                   .cookie = index,
                                   .offset = uint64_t(index) * 4096,
                                   .size = 4096});
    }
    client.send(requests);
    for (uint32_t index = 0; index < count; ++index) {
        EXPECT_TRUE(client.receive_answer({.command = wire::cmd_read, .size = 4096}).is_ok());
    }
}

TEST_F(ExpectMore, AfterManyReadsOfOneClientAreAnswered) {
    WireClient client = attach();
    read_at_once(client, 2 * server::gather_requests_min);
    EXPECT_TRUE(eventually([&] { return backend().expected_count() > 0; }));
}

TEST_F(ExpectMore, NotOfAClientThatWaitsForEachReply) {
    WireClient client = attach();
    for (int round = 0; round < 20; ++round) EXPECT_TRUE(client.read(0, 4096).is_ok());
    client.close();
    EXPECT_TRUE(eventually([&] { return logged_count("client gone") == 1; }));
    EXPECT_EQ(backend().expected_count(), 0U);
}

TEST_F(ExpectMore, NotWhileTheDiskHasLittleToDo) {
    WireClient writer = attach();
    backend().hold(io::OperationKind::write);
    const auto write = [&](uint64_t block) {
        writer.send_request({.command = wire::cmd_write, .offset = block * 4096, .size = 4096},
                            pattern(4096, 1));
    };
    constexpr uint32_t many = server::gather_disk_operations_min;
    constexpr uint32_t little = many - 2 * server::gather_requests_min;  // With the reads' own.
    for (uint32_t block = 0; block < little; ++block) write(block);
    EXPECT_TRUE(holds(io::OperationKind::write, little));

    WireClient client = attach();
    read_at_once(client, 2 * server::gather_requests_min);
    EXPECT_TRUE(client.flush().is_ok());
    EXPECT_EQ(backend().expected_count(), 0U);

    for (uint32_t block = little; block < many; ++block) write(block);
    EXPECT_TRUE(holds(io::OperationKind::write, many));
    read_at_once(client, 2 * server::gather_requests_min);
    EXPECT_TRUE(eventually([&] { return backend().expected_count() > 0; }));

    backend().release(io::OperationKind::write);
    for (uint32_t block = 0; block < many; ++block) {
        EXPECT_TRUE(writer.receive_answer().is_ok());
    }
}

}  // namespace
}  // namespace blockd::support
