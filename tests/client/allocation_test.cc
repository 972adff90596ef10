// Nothing is allocated per request. A program of its own: it replaces operator new.
#include <blockd/client/client.h>

#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "client/client_fixture.h"
#include "client/scripted_server.h"
#include "support/allocation_count.h"

namespace blockd::client {
namespace {

// Reads and writes in turns, forever.
struct Worker {
    Worker(Client& its_client, uint64_t its_offset) : client(its_client), offset(its_offset) {}

    Client& client;
    uint64_t offset;
    Transfer transfer = {};
    std::array<std::byte, 4096> buffer = {};
    uint64_t requests_count = 0;
    bool is_stopping = false;

    void next() {
        const Client::Range range = {.offset = offset, .size = buffer.size()};
        const io::Callback<Result<Ok>> callback = io::bind<&Worker::done>(this);
        if (++requests_count % 2 == 0) return client.read(transfer, buffer, range, callback);
        client.write(transfer, buffer, range, callback);
    }
    void done(Result<Ok> result) {
        ASSERT(bool(result));
        if (!is_stopping) next();
    }
};

using Allocation = ClientTest;

TEST_F(Allocation, NoRequestAllocates) {
    MemoryExport memory(1 << 20);
    memory.remember_requests(false);
    // What the server allocates, it allocates while it warms up.
    ScriptedServer server(loop_, socket_path(), memory.script());
    Client client(loop_);
    ASSERT_TRUE(connect(client, {.addresses = {server.address()}, .export_name = "demo"}));
    std::deque<Worker> workers;
    for (uint64_t index = 0; index < 100; ++index) workers.emplace_back(client, index * 4096);
    for (Worker& worker : workers) worker.next();
    const auto have_done = [&](uint64_t requests_count) {
        return run_until([&] { return workers.back().requests_count > requests_count; });
    };
    ASSERT_TRUE(have_done(200));
    const uint64_t count_before = support::allocation_count();
    const uint64_t requests_before = workers.back().requests_count;
    ASSERT_TRUE(have_done(requests_before + 200));
    EXPECT_EQ(support::allocation_count(), count_before) << "in some 20,000 requests";
    EXPECT_GT(count_before, 0u) << "the count counts";
    for (Worker& worker : workers) worker.is_stopping = true;
    EXPECT_TRUE(disconnect(client));
}

}  // namespace
}  // namespace blockd::client
