// Clients that break the framing, hang up in the wrong moment, or are slow on purpose: only their
// own connection suffers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

using Hostile = DaemonTest;

TEST_F(Hostile, Case79WrongRequestMagicCloses) {
    for (const uint32_t magic : {0x12560953u, 0x25609514u, 0x21e41c71u, 0x67446698u, 0u}) {
        WireClient client = attach();
        client.send(
            WireBytes().u32(magic).u16(0).u16(wire::cmd_read).u64(1).u64(0).u32(512).bytes());
        EXPECT_TRUE(client.ends()) << std::hex << magic;
    }
    expect_service();
}

TEST_F(Hostile, Case79WrongMagicAfterGoodRequestsLetsThemFinish) {
    WireClient client = attach();
    client.send(request_bytes({.command = wire::cmd_write, .cookie = 1, .size = 4096}) +
                pattern(4096, 1) + std::string(28, 'x'));
    std::string rest;
    EXPECT_TRUE(client.ends(&rest));
    EXPECT_TRUE(rest.size() == 0 || rest.size() == 16) << "a whole reply or none";
    EXPECT_TRUE(
        eventually([this] { return read_file(file("disk"), 0, 4096) == pattern(4096, 1); }));
}

TEST_F(Hostile, Case80CutPayloadIsNotApplied) {
    for (const uint32_t size : {4096u, 65536u, 4'000'000u}) {
        for (const uint32_t sent : {0u, 1u, size / 2, size - 1}) {
            WireClient client = attach();
            client.send(request_bytes({.command = wire::cmd_write, .cookie = 1, .size = size}) +
                        pattern(sent, 2));
            client.shut_down_sending();
            EXPECT_TRUE(client.ends()) << "no reply to half a request";
            EXPECT_EQ(read_file(file("disk"), 0, size), std::string(size, '\0')) << sent;
        }
    }
    expect_service();
}

TEST_F(Hostile, Case80HalfAHeaderDisturbsNobody) {
    WireClient other = attach();
    for (const size_t size : {size_t{1}, size_t{4}, size_t{16}, size_t{27}}) {
        WireClient client = attach();
        client.send(request_bytes({.command = wire::cmd_write, .size = 512}).substr(0, size));
        client.shut_down_sending();
        EXPECT_TRUE(client.ends());
        expect_in_step(other);
    }
}

TEST_F(Hostile, Case80EndInTheMiddleOfAnOptionDisturbsNobody) {
    const std::string conversation = WireBytes().u32(3).bytes() +
                                     option_bytes(wire::opt_info, info_data("disk")) +
                                     option_bytes(wire::opt_go, info_data("disk"));
    for (size_t size = 0; size < conversation.size(); size += 3) {
        WireClient client = connect();
        client.send(conversation.substr(0, size));
        client.shut_down_sending();
        std::string rest;
        EXPECT_TRUE(client.ends(&rest)) << size;
    }
    expect_service();
}

TEST_F(Hostile, Case81HangingUpOnUnsentRepliesFreesTheirBuffers) {
    constexpr uint32_t size = mebibyte;
    const uint32_t descriptor_count = daemon.status().descriptor_count;
    for (int round = 0; round < 40; ++round) {
        WireClient client = attach("fixed");
        std::string bytes;
        for (uint32_t index = 0; index < 64; ++index) {
            bytes += request_bytes({.cookie = index, .offset = 0, .size = size});
        }
        client.send(bytes);
        EXPECT_TRUE(eventually([&] { return client.has_input(); })) << "replies are on their way";
        client.close();
    }
    expect_service();
    EXPECT_TRUE(eventually([&] { return daemon.status().descriptor_count <= descriptor_count; }));
    if (is_memory_measurable()) {
        // buffer_bytes, 256 MiB by default, and what the daemon needs besides.
        EXPECT_LT(daemon.status().resident_bytes_max, (256 + 40) * mebibyte);
    }
}

class SlowClient : public DaemonTest {
  protected:
    SlowClient() { config.limits = {"\"transfer_timeout\": \"1s\""}; }
};

TEST_F(SlowClient, Case88ReaderThatTakesNothingIsCutOff) {
    WireClient slow = attach("fixed");
    std::string bytes;
    for (uint32_t index = 0; index < 64; ++index) {
        bytes += request_bytes({.cookie = index, .size = mebibyte});
    }
    const uint32_t descriptor_count = daemon.status().descriptor_count;
    slow.send(bytes);
    WireClient other = attach();
    EXPECT_TRUE(eventually([&] {
        expect_in_step(other);
        return daemon.status().descriptor_count <= descriptor_count;
    })) << "the slow one is gone, while the other was served all the time";
}

// The time runs from the moment when a reply is ready: were it given to each anew once the one
// before is taken, the last of these would hold its memory for eleven seconds.
TEST_F(SlowClient, Case88ReaderThatTakesOneReplyAtATimeIsCutOff) {
    constexpr uint32_t reply_count = 16;
    constexpr uint32_t size = 4 * mebibyte;
    WireClient slow = attach();
    WireClient other = attach();
    for (uint32_t index = 0; index < reply_count; ++index) slow.send_request({.size = size});
    uint32_t taken = 0;
    for (std::string reply; taken < reply_count && slow.try_receive(16 + size, &reply); ++taken) {
        Patience pause(700);
        while (pause.wait()) expect_in_step(other);
    }
    EXPECT_LE(taken, 6u) << "two or three, and some more where the disk is slow";
}

using SlowWriter = DaemonTest;

TEST_F(SlowWriter, Case88WriterOfOneByteAtATimeHoldsNobodyUp) {
    WireClient slow = attach();
    WireClient other = attach();
    const std::string data = pattern(512, 5);
    slow.send(request_bytes({.command = wire::cmd_write, .cookie = 1, .size = 512}));
    for (const char byte : data) {
        slow.send(std::string(1, byte));
        expect_in_step(other);
    }
    EXPECT_TRUE(slow.receive_answer().is_ok());
    EXPECT_TRUE(read_file(file("disk"), 0, 512) == data);
}

class SilentWriter : public DaemonTest {
  protected:
    SilentWriter() {
        config.limits = {"\"transfer_timeout\": \"1s\"", "\"buffer_bytes\": \"64MiB\""};
    }
};

// Two headers of 32 MiB would own all request memory. Only one of them is let in at a time, and
// nobody else waits for them.
TEST_F(SilentWriter, Case88WritersThatSendNoPayloadAreCutOff) {
    std::vector<WireClient> silent;
    for (int index = 0; index < 2; ++index) {
        silent.push_back(attach());
        silent.back().send_request({.command = wire::cmd_write, .size = 32 * 1048576});
    }
    WireClient client = attach();
    EXPECT_TRUE(client.flush().is_ok());
    EXPECT_TRUE(client.read(0, 4096).is_ok());
    for (WireClient& each : silent) EXPECT_TRUE(each.ends());
}

TEST_F(SilentWriter, Case88SmallOneBesideALargeOneIsCutOffToo) {
    WireClient large = attach();
    large.send_request({.command = wire::cmd_write, .size = 32 * mebibyte});
    WireClient second = attach();
    second.send_request({.command = wire::cmd_write, .size = 32 * mebibyte});
    WireClient small = attach();
    small.send_request({.command = wire::cmd_write, .size = 4096});
    EXPECT_TRUE(small.ends());
    EXPECT_TRUE(large.ends());
}

// A new one comes for each that is cut off, and still there is memory for readers, and for writes
// that are whole.
TEST_F(SilentWriter, Case88WritersThatComeBackHoldNobodyUp) {
    constexpr int round_count = 2;
    std::vector<std::thread> writers;
    std::atomic<int> running = 0;
    for (int index = 0; index < 4; ++index) {
        ++running;
        writers.emplace_back([this, &running] {
            for (int round = 0; round < round_count; ++round) {
                WireClient writer = attach();
                writer.send_request({.command = wire::cmd_write, .size = 32 * mebibyte});
                EXPECT_TRUE(writer.ends());
            }
            --running;
        });
    }
    WireClient client = attach();
    const std::string data = pattern(4096, 1);
    int64_t longest_ms = 0;
    while (running > 0) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_TRUE(client.write(0, data).is_ok());
        EXPECT_TRUE(client.read(0, 65536).is_ok());
        const auto taken = std::chrono::steady_clock::now() - begin;
        longest_ms = std::max<int64_t>(
            longest_ms, std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_LT(longest_ms, 1000) << "one transfer_timeout";
}

}  // namespace
}  // namespace blockd::support
