// Many requests at once, and the ends of a connection that has some.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

class Pipelining : public DaemonTest {
  protected:
    // Sends `count` writes of 4 KiB without reading a reply; the n-th is pattern(4096, n).
    static void send_writes(WireClient& client, uint32_t count) {
        for (uint32_t index = 0; index < count; ++index) {
            client.send_request({.command = wire::cmd_write,
                                 .cookie = 1 + index,
                                 .offset = uint64_t{4096} * index,
                                 .size = 4096},
                                pattern(4096, index));
        }
    }

    bool holds_writes(uint32_t count) const {
        for (uint32_t index = 0; index < count; ++index) {
            if (read_file(file("disk"), uint64_t{4096} * index, 4096) != pattern(4096, index)) {
                return false;
            }
        }
        return true;
    }
};

TEST_F(Pipelining, Case61CookiesAreEchoedEvenWhenAllAreTheSame) {
    WireClient client = attach();
    for (const uint64_t cookie : {uint64_t{7}, UINT64_MAX}) {
        const RequestFields request = {.cookie = cookie, .size = 4096};
        for (int count = 0; count < 8; ++count) client.send_request(request);
        for (int count = 0; count < 8; ++count) {
            const Answer answer = client.receive_answer(request);
            EXPECT_TRUE(answer.is_ok());
            EXPECT_EQ(answer.cookie, cookie);
        }
    }
    EXPECT_FALSE(client.has_input()) << "no answer too many";
    const RequestFields zero = {.cookie = 0, .size = 512};
    client.send(request_bytes(zero));
    EXPECT_EQ(client.receive_answer(zero).cookie, 0u);
}

TEST_F(Pipelining, RepliesInAnyOrderBelongToTheirRequests) {
    constexpr uint32_t count = 500;
    WireClient client = attach("fixed");
    const std::string truth = pattern(fixed_size, fixed_seed);
    std::vector<RequestFields> requests;
    std::string bytes;
    for (uint32_t index = 0; index < count; ++index) {
        requests.push_back({.cookie = index,
                            .offset = (uint64_t{index} * 7919 * 4096) % (fixed_size - 4096),
                            .size = 4096});
        bytes += request_bytes(requests.back());
    }
    client.send(bytes);
    std::set<uint64_t> answered;
    for (uint32_t index = 0; index < count && !client.is_broken(); ++index) {
        const Answer answer = client.receive_answer(requests[0]);  // All of one size.
        ASSERT_LT(answer.cookie, count);
        EXPECT_TRUE(answered.insert(answer.cookie).second) << "answered twice";
        EXPECT_TRUE(answer.data == truth.substr(requests[answer.cookie].offset, 4096));
    }
    EXPECT_EQ(answered.size(), count);
}

// The client takes nothing while it asks for 500 MB, then everything.
TEST_F(Pipelining, Case62ReadsThatAreNotTakenBoundTheMemory) {
    constexpr uint32_t count = 2000;
    constexpr uint32_t size = 256 * kibibyte;
    WireClient greedy = attach("fixed");
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    std::string bytes;
    for (uint32_t index = 0; index < count; ++index) {
        bytes += request_bytes({.cookie = index, .offset = (index % 8) * size, .size = size});
    }
    std::thread sender([&] { greedy.send(bytes); });
    EXPECT_TRUE(eventually([&] { return greedy.has_input(); }));
    WireClient other = attach();
    for (int round = 0; round < 200; ++round) EXPECT_TRUE(other.read(0, 4096).is_ok());
    if (is_memory_measurable()) {
        // bytes_per_connection, 64 MiB by default, and what the daemon needs besides.
        EXPECT_LT(daemon.status().resident_bytes_max, resident_bytes + 80 * mebibyte);
    }
    std::set<uint64_t> answered;
    const std::string truth = pattern(fixed_size, fixed_seed);
    for (uint32_t index = 0; index < count && !greedy.is_broken(); ++index) {
        const Answer answer = greedy.receive_answer({.size = size});
        EXPECT_TRUE(answer.is_ok());
        EXPECT_TRUE(truth.compare((answer.cookie % 8) * size, size, answer.data) == 0);
        answered.insert(answer.cookie);
    }
    sender.join();
    EXPECT_EQ(answered.size(), count);
}

TEST_F(Pipelining, Case62TenThousandSmallReadsAreAllAnswered) {
    constexpr uint32_t count = 10'000;
    WireClient greedy = attach();
    std::string bytes;
    for (uint32_t index = 0; index < count; ++index) {
        bytes += request_bytes({.cookie = index, .offset = index * 512, .size = 512});
    }
    std::thread sender([&] { greedy.send(bytes); });
    WireClient other = attach();
    for (int round = 0; round < 200; ++round) EXPECT_TRUE(other.read(0, 4096).is_ok());
    std::vector<bool> answered(count, false);
    for (uint32_t index = 0; index < count && !greedy.is_broken(); ++index) {
        const Answer answer = greedy.receive_answer({.size = 512});
        EXPECT_TRUE(answer.is_ok());
        if (answer.cookie < count) answered[answer.cookie] = true;
    }
    sender.join();
    EXPECT_EQ(std::count(answered.begin(), answered.end(), true), count);
}

TEST_F(Pipelining, Case64DisconnectHasNoReply) {
    WireClient client = attach();
    client.send_request({.command = wire::cmd_disconnect});
    EXPECT_TRUE(client.ends());
}

TEST_F(Pipelining, Case64DisconnectFinishesWhatIsInFlight) {
    WireClient client = attach();
    send_writes(client, 64);
    client.send_request({.command = wire::cmd_disconnect});
    std::string replies;
    EXPECT_TRUE(client.ends(&replies));
    EXPECT_EQ(replies.size(), 64u * 16) << "64 replies, and none for the DISC";
    EXPECT_TRUE(holds_writes(64));
}

TEST_F(Pipelining, Case64NothingAfterDisconnectIsServed) {
    WireClient client = attach();
    client.send(request_bytes({.command = wire::cmd_disconnect, .cookie = 1}) +
                request_bytes({.command = wire::cmd_write, .cookie = 2, .size = 512}) +
                pattern(512, 1));
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(read_file(file("disk"), 0, 512), std::string(512, '\0'));
}

TEST_F(Pipelining, Case65ClosedSendingSideStillGetsItsReplies) {
    WireClient client = attach();
    send_writes(client, 32);
    client.shut_down_sending();
    std::set<uint64_t> answered;
    for (int count = 0; count < 32 && !client.is_broken(); ++count) {
        const Answer answer = client.receive_answer();
        EXPECT_TRUE(answer.is_ok());
        answered.insert(answer.cookie);
    }
    EXPECT_EQ(answered.size(), 32u);
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(holds_writes(32));
}

TEST_F(Pipelining, Case66EndWithoutDisconnectKeepsTheWrites) {
    WireClient client = attach();
    send_writes(client, 32);
    EXPECT_TRUE(eventually([&] { return client.has_input(); }));
    for (int count = 0; count < 32; ++count) EXPECT_TRUE(client.receive_answer().is_ok());
    client.close();
    EXPECT_TRUE(holds_writes(32));
    expect_service();
}

// It never read a reply, so the server finds out in the middle that nobody takes them.
TEST_F(Pipelining, Case66UnansweredWritesAreDoneWhenTheClientVanishes) {
    WireClient client = attach();
    send_writes(client, 64);
    client.close();
    EXPECT_TRUE(eventually([&] { return holds_writes(64); }));
    expect_service();
}

}  // namespace
}  // namespace blockd::support
