// Options that nobody knows, that are too large, that end the handshake, or that stand alone.
#include <gtest/gtest.h>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

using Option = DaemonTest;

TEST_F(Option, Case9UnknownOptionIsUnsupportedWithAText) {
    WireClient client = connect();
    client.greet();
    const auto answers = client.ask(99, std::string(1000, 'x'));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].type, wire::rep_unsupported);
    EXPECT_FALSE(answers[0].data.empty());
    EXPECT_TRUE(is_valid_utf8(answers[0].data));
    expect_option_in_step(client);
}

TEST_F(Option, Case10OptionOf4GiBCloses) {
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    for (const uint32_t option : {99u, wire::opt_info, wire::opt_go, wire::opt_export_name,
                                  wire::opt_list, wire::opt_set_meta_context}) {
        WireClient client = connect();
        client.greet();
        client.send(option_head_bytes(option, 0xffffffff));
        client.set_timeout_ms(1'000);
        std::string rest;
        EXPECT_TRUE(client.ends(&rest)) << option;
    }
    EXPECT_LT(daemon.status().resident_bytes, resident_bytes + 4 * mebibyte);
    expect_service();
}

TEST_F(Option, Case11UnknownOptionOf1MiBIsSkippedWithoutMemory) {
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    for (int count = 0; count < 16; ++count) {
        WireClient client = connect();
        client.greet();
        EXPECT_EQ(client.ask_type(99, std::string(mebibyte, 'x')), wire::rep_unsupported);
        expect_option_in_step(client);
    }
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes, resident_bytes + mebibyte);
    }
}

TEST_F(Option, Case15AbortIsAcknowledgedAndCloses) {
    for (const std::string& data : {std::string(), std::string("some data")}) {
        WireClient client = connect();
        client.greet();
        EXPECT_EQ(client.ask_type(wire::opt_abort, data), wire::rep_ack);
        EXPECT_TRUE(client.ends());
    }
}

TEST_F(Option, Case15AbortOfAClientThatIsGoneIsNoError) {
    for (int count = 0; count < 20; ++count) {
        WireClient client = connect();
        client.greet();
        client.send_option(wire::opt_abort);
        client.close();
    }
    expect_service();
    EXPECT_EQ(daemon.log().find("error"), std::string::npos) << daemon.log();
}

TEST_F(Option, Case16StarttlsIsRefusedInStep) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_starttls), wire::rep_policy);
    expect_option_in_step(client);
}

TEST_F(Option, Case17StarttlsWithDataIsInvalid) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_starttls, "data"), wire::rep_invalid);
    expect_option_in_step(client);
}

TEST_F(Option, Case18StructuredReplyOnceAndWithoutData) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_structured_reply, "data"), wire::rep_invalid);
    EXPECT_EQ(client.ask_type(wire::opt_structured_reply), wire::rep_ack);
    EXPECT_EQ(client.ask_type(wire::opt_structured_reply), wire::rep_invalid);
    expect_option_in_step(client);
    // The refused ones took nothing back.
    EXPECT_TRUE(client.go("disk").is_granted);
    EXPECT_TRUE(client.read(0, 512).is_structured);
}

TEST_F(Option, Case18StructuredReplyWithDataSelectsNothing) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_structured_reply, "data"), wire::rep_invalid);
    EXPECT_TRUE(client.go("disk").is_granted);
    EXPECT_FALSE(client.read(0, 512).is_structured);
}

TEST_F(Option, Case36ExtendedHeadersAreUnsupportedInStep) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_extended_headers), wire::rep_unsupported);
    EXPECT_TRUE(client.use_structured_replies());
    expect_option_in_step(client);
}

TEST_F(Option, Case36WithdrawnPeekExportIsUnsupportedInStep) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(4, "disk"), wire::rep_unsupported);
    expect_option_in_step(client);
}

TEST_F(Option, Case39ThousandUnknownOptionsTakeNoMemory) {
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    WireClient client = connect();
    client.greet();
    std::string options;
    for (uint32_t option = 1000; option < 2000; ++option) options += option_bytes(option, "12345");
    (void)client.try_send(options);
    client.shut_down_sending();
    std::string answers;
    EXPECT_TRUE(client.ends(&answers)) << "closed at the limit, or all answered";
    EXPECT_EQ(read_u64(answers, 0), wire::option_reply_magic);
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes, resident_bytes + mebibyte);
    }
    expect_service();
}

TEST_F(Option, Case39ManyOptionsBelowTheLimitAreAllAnswered) {
    WireClient client = connect();
    client.greet();
    for (uint32_t count = 0; count < 60; ++count) {
        EXPECT_EQ(client.ask_type(1000 + count), wire::rep_unsupported);
    }
    expect_option_in_step(client);
}

}  // namespace
}  // namespace blockd::support
