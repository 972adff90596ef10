// Greeting, client flags, the two ways into the transmission phase, and the ends of a handshake.
#include <gtest/gtest.h>

#include <csignal>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

using Handshake = DaemonTest;

constexpr uint32_t both_flags = 3;

TEST_F(Handshake, Case1GreetingIs18BytesWithBothFlags) {
    WireClient client = connect();
    EXPECT_EQ(client.receive_greeting(), 3);
    // Nothing follows unasked: the answer to the first option comes right behind the greeting.
    client.send(WireBytes().u32(both_flags).bytes());
    EXPECT_EQ(client.ask_type(wire::opt_list), wire::rep_ack);
}

TEST_F(Handshake, Case2UnknownClientFlagCloses) {
    for (const uint32_t flags : {0x80000003u, 0x00000004u, 0xffffffffu}) {
        WireClient client = connect();
        client.greet(flags);
        EXPECT_TRUE(client.ends()) << flags;
    }
    expect_service();
}

TEST_F(Handshake, Case3OldClientMayNotList) {
    WireClient client = connect();
    client.greet(0);
    client.send_option(wire::opt_list);
    client.set_timeout_ms(2'000);
    std::string rest;
    if (client.ends(&rest)) {
        EXPECT_EQ(rest, "");
        return;
    }
    WireClient again = connect();
    again.greet(0);
    EXPECT_TRUE(again.ask(wire::opt_list).back().is_error());
}

TEST_F(Handshake, Case4OldClientGetsExportNameWithPadding) {
    WireClient client = connect();
    client.greet(0);
    client.send_option(wire::opt_export_name, "disk");
    const std::string answer = client.receive(8 + 2 + 124);
    EXPECT_EQ(read_u64(answer, 0), disk_size);
    EXPECT_NE(read_u16(answer, 8) & wire::has_flags, 0);
    EXPECT_EQ(answer.substr(10), std::string(124, '\0'));
    EXPECT_TRUE(client.write(4096, pattern(4096, 1)).is_ok());
    EXPECT_TRUE(client.read(4096, 4096).data == pattern(4096, 1));
}

TEST_F(Handshake, Case5NoZeroesLeavesThePaddingOut) {
    WireClient client = connect();
    client.greet();
    client.send_option(wire::opt_export_name, "other");
    const std::string answer = client.receive(10);
    EXPECT_EQ(read_u64(answer, 0), other_size);
    expect_in_step(client);
}

TEST_F(Handshake, Case6ExportNameOfAnUnknownNameCloses) {
    WireClient client = connect();
    client.greet();
    client.send_option(wire::opt_export_name, "nobody");
    EXPECT_TRUE(client.ends());
}

TEST_F(Handshake, Case7ExportNameOf4097BytesCloses) {
    WireClient client = connect();
    client.greet();
    client.send_option(wire::opt_export_name, std::string(4097, 'n'));
    EXPECT_TRUE(client.ends());
    expect_service();
}

TEST_F(Handshake, Case8WrongOptionMagicCloses) {
    WireClient client = connect();
    client.greet();
    client.send(WireBytes().u64(wire::option_magic + 1).u32(wire::opt_list).u32(0).bytes());
    EXPECT_TRUE(client.ends());
}

TEST_F(Handshake, Case25GoWithoutNoZeroesHasNoPadding) {
    WireClient client = connect();
    client.greet(1);  // C_FIXED_NEWSTYLE alone.
    EXPECT_TRUE(client.go("disk").is_granted);
    expect_in_step(client);
}

TEST_F(Handshake, Case26InfoAndGoTellTheSame) {
    WireClient client = connect();
    client.greet();
    const auto types = {wire::info_name, wire::info_description, wire::info_block_size};
    const ExportFacts first = client.ask_info(wire::opt_info, "disk", types);
    const ExportFacts second = client.ask_info(wire::opt_info, "disk", types);
    const ExportFacts third = client.ask_info(wire::opt_go, "disk", types);
    EXPECT_TRUE(first == second);
    EXPECT_TRUE(second == third);
    EXPECT_TRUE(third.is_granted);
}

TEST_F(Handshake, Case37FourOptionsInOneSegmentAreAnsweredInOrder) {
    WireClient client = connect();
    client.greet();
    client.send(option_bytes(wire::opt_list) + option_bytes(99, "data") +
                option_bytes(wire::opt_structured_reply) +
                option_bytes(wire::opt_info, info_data("disk")));
    EXPECT_EQ(client.receive_option_answers(wire::opt_list).back().type, wire::rep_ack);
    EXPECT_EQ(client.receive_option_answers(99).back().type, wire::rep_unsupported);
    EXPECT_EQ(client.receive_option_answers(wire::opt_structured_reply).back().type, wire::rep_ack);
    EXPECT_EQ(client.receive_option_answers(wire::opt_info).back().type, wire::rep_ack);
}

TEST_F(Handshake, Case37RequestsInTheSegmentOfGoAreServed) {
    WireClient client = connect();
    client.receive_greeting();
    const RequestFields request = {.cookie = 5, .offset = 0, .size = 4096};
    client.send(WireBytes().u32(both_flags).bytes() +
                option_bytes(wire::opt_go, info_data("disk")) + request_bytes(request));
    EXPECT_EQ(client.receive_option_answers(wire::opt_go).back().type, wire::rep_ack);
    const Answer answer = client.receive_answer(request);
    EXPECT_TRUE(answer.is_ok());
    EXPECT_EQ(answer.cookie, 5u);
}

TEST_F(Handshake, Case38OneByteASegmentGivesTheSameAnswers) {
    config.tcp_port = free_tcp_port();
    start();
    WireClient client(Endpoint{.port = config.tcp_port});
    client.receive_greeting();
    const RequestFields request = {.cookie = 9, .offset = 512, .size = 512};
    const std::string conversation =
        WireBytes().u32(both_flags).bytes() + option_bytes(99, "abc") +
        option_bytes(wire::opt_info, info_data("disk", {wire::info_block_size})) +
        option_bytes(wire::opt_go, info_data("disk")) + request_bytes(request);
    for (const char byte : conversation) client.send(std::string(1, byte));
    EXPECT_EQ(client.receive_option_answers(99).back().type, wire::rep_unsupported);
    EXPECT_EQ(client.receive_option_answers(wire::opt_info).back().type, wire::rep_ack);
    EXPECT_EQ(client.receive_option_answers(wire::opt_go).back().type, wire::rep_ack);
    EXPECT_TRUE(client.receive_answer(request).is_ok());
}

TEST_F(Handshake, ServesTcpOnBothFamiliesAndUnixAtOnce) {
    config.tcp_port = free_tcp_port();
    start();
    for (const Endpoint& place : {endpoint(), Endpoint{.port = config.tcp_port},
                                  Endpoint{.port = config.tcp_port, .is_ipv6 = true}}) {
        WireClient client(place);
        client.attach("disk");
        expect_in_step(client);
    }
}

class HandshakeDeadline : public DaemonTest {
  protected:
    HandshakeDeadline() { config.limits = {"\"handshake_timeout\": \"1s\""}; }
};

TEST_F(HandshakeDeadline, Case40SilentClientIsClosed) {
    WireClient silent = connect();
    silent.receive_greeting();
    EXPECT_TRUE(silent.ends());
}

TEST_F(HandshakeDeadline, Case40ClientThatStopsInsideAnOptionIsClosed) {
    WireClient client = connect();
    client.greet();
    client.send(option_head_bytes(wire::opt_info, 20) + "abc");
    EXPECT_TRUE(client.ends());
}

TEST_F(HandshakeDeadline, Case40ClientThatKeepsAskingIsClosedAllTheSame) {
    WireClient client = connect();
    client.greet();
    // The deadline is for the whole handshake, and no option prolongs it. 100 options stay below
    // the limit on their number.
    Patience patience(10'000);
    bool is_closed = false;
    for (int count = 0; count < 100 && !is_closed; ++count) {
        is_closed = !client.try_send(option_bytes(99));
        if (is_closed) break;
        std::string rest;
        client.set_timeout_ms(50);
        is_closed = client.ends(&rest);
    }
    EXPECT_TRUE(is_closed);
    EXPECT_TRUE(patience.wait()) << "closed long before ten seconds";
}

TEST_F(HandshakeDeadline, Case40DoesNotEndTheTransmissionPhase) {
    WireClient attached = attach();
    WireClient silent = connect();
    silent.receive_greeting();
    EXPECT_TRUE(silent.ends()) << "a deadline has passed since";
    expect_in_step(attached);
}

// They fill the house. Who asks for an export gets the place of the one who was silent longest.
TEST_F(HandshakeDeadline, Case41ThousandSilentClientsKeepNobodyOut) {
    raise_descriptor_limit();
    config.limits = {"\"connections\": 1000", "\"handshake_timeout\": \"3s\""};
    start();
    const uint32_t descriptor_count = daemon.status().descriptor_count;
    std::vector<WireClient> silent;
    for (int count = 0; count < 1000; ++count) silent.push_back(connect());
    WireClient client = connect();
    client.attach("disk");
    expect_in_step(client);
    for (WireClient& other : silent) {
        std::string rest;
        EXPECT_TRUE(other.ends(&rest));
    }
    EXPECT_TRUE(
        eventually([&] { return daemon.status().descriptor_count <= descriptor_count + 1; }));
}

class HandshakeShutdown : public DaemonTest {
  protected:
    // A client that has sent half of an option when the daemon is told to stop.
    WireClient interrupted(uint32_t option, const std::string& data) {
        WireClient client = connect();
        client.greet();
        EXPECT_EQ(client.ask_type(99), wire::rep_unsupported) << "the daemon knows this client";
        client.send(option_bytes(option, data).substr(0, 20));
        daemon.signal(SIGTERM);
        EXPECT_TRUE(eventually([this] { return !WireClient::can_connect(endpoint()); }));
        (void)client.try_send(option_bytes(option, data).substr(20));
        return client;
    }

    void TearDown() override {
        EXPECT_EQ(daemon.wait_for_exit(), 0) << daemon.log();
        start();
        DaemonTest::TearDown();
    }
};

TEST_F(HandshakeShutdown, Case47FurtherOptionsAreToldOfTheShutdown) {
    WireClient client = interrupted(wire::opt_info, info_data("disk"));
    (void)client.try_send(option_bytes(wire::opt_go, info_data("disk")));
    std::string rest;
    EXPECT_TRUE(client.ends(&rest));
    // Whatever the interrupted option is told, the last word is that of the shutdown.
    ASSERT_GE(rest.size(), 20u);
    const size_t last = rest.rfind(WireBytes().u64(wire::option_reply_magic).bytes());
    ASSERT_NE(last, std::string::npos);
    EXPECT_EQ(read_u32(rest, last + 12), wire::rep_shutdown);
}

TEST_F(HandshakeShutdown, Case47GoThatIsInFlightEntersNoTransmission) {
    WireClient client = interrupted(wire::opt_go, info_data("disk"));
    const RequestFields request = {.command = wire::cmd_write, .cookie = 1, .size = 512};
    (void)client.try_send(request_bytes(request) + pattern(512, 1));
    std::string rest;
    EXPECT_TRUE(client.ends(&rest));
    const bool is_refused = read_u32(rest, 12) == wire::rep_shutdown;
    const bool is_answered =
        rest.find(WireBytes().u32(wire::simple_reply_magic).u32(0).bytes()) != std::string::npos;
    EXPECT_TRUE(is_refused || !is_answered || read_file(file("disk"), 0, 512) == pattern(512, 1))
        << "refused, or served to the end";
}

}  // namespace
}  // namespace blockd::support
