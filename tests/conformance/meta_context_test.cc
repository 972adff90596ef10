// LIST_META_CONTEXT and SET_META_CONTEXT.
#include <gtest/gtest.h>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

class MetaContext : public DaemonTest {
  protected:
    WireClient structured() const {
        WireClient client = connect();
        client.greet();
        EXPECT_TRUE(client.use_structured_replies());
        return client;
    }

    // BLOCK_STATUS on a connection that goes to `name` now.
    static uint32_t block_status_error(WireClient& client, const std::string& name) {
        EXPECT_TRUE(client.go(name).is_granted);
        const Answer answer = client.block_status(0, 65536);
        EXPECT_TRUE(answer.is_complete);
        return answer.error;
    }
};

std::vector<OptionAnswer> ask_contexts(WireClient& client, uint32_t option,
                                       std::initializer_list<std::string_view> queries) {
    return client.ask(option, meta_data("disk", queries));
}

TEST_F(MetaContext, Case27ListTellsBaseAllocationWithIdZero) {
    WireClient client = structured();
    for (const auto& queries : {std::initializer_list<std::string_view>{},
                                std::initializer_list<std::string_view>{"base:"},
                                std::initializer_list<std::string_view>{"base:allocation"}}) {
        const auto answers = ask_contexts(client, wire::opt_list_meta_context, queries);
        ASSERT_EQ(answers.size(), 2u);
        EXPECT_EQ(answers[0].type, wire::rep_meta_context);
        EXPECT_EQ(answers[0].data, WireBytes().u32(0).raw("base:allocation").bytes());
        EXPECT_EQ(answers[1].type, wire::rep_ack);
    }
}

TEST_F(MetaContext, Case27ListOfAnUnknownContextIsEmpty) {
    WireClient client = structured();
    const auto answers = ask_contexts(client, wire::opt_list_meta_context, {"x-other:thing"});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].type, wire::rep_ack);
}

TEST_F(MetaContext, Case27ListOfAnUnknownExportIsUnknown) {
    WireClient client = structured();
    EXPECT_EQ(client.ask_type(wire::opt_list_meta_context, meta_data("nobody", {})),
              wire::rep_unknown);
    expect_option_in_step(client);
}

TEST_F(MetaContext, Case28SetBeforeStructuredReplyIsInvalid) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_set_meta_context, meta_data("disk", {"base:allocation"})),
              wire::rep_invalid);
    expect_option_in_step(client);
}

TEST_F(MetaContext, Case29SetIgnoresUnknownNamespaces) {
    WireClient client = structured();
    const auto answers = ask_contexts(client, wire::opt_set_meta_context,
                                      {"base:allocation", "x-unknown:foo", "qemu:dirty-bitmap:b"});
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].type, wire::rep_meta_context);
    EXPECT_EQ(answers[0].data.substr(4), "base:allocation");
    EXPECT_EQ(answers[1].type, wire::rep_ack);
    EXPECT_EQ(block_status_error(client, "disk"), wire::no_error);
}

TEST_F(MetaContext, Case29SetTwiceInOneOptionSelectsOnce) {
    WireClient client = structured();
    const auto answers =
        ask_contexts(client, wire::opt_set_meta_context, {"base:allocation", "base:allocation"});
    EXPECT_EQ(answers.size(), 2u);
    EXPECT_TRUE(client.go("disk").is_granted);
    EXPECT_EQ(client.block_status(0, 65536).chunks.size(), 1u) << "one chunk per context";
}

TEST_F(MetaContext, Case30SetHasNoWildcard) {
    WireClient client = structured();
    const auto answers = ask_contexts(client, wire::opt_set_meta_context, {"base:"});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].type, wire::rep_ack);
    EXPECT_EQ(block_status_error(client, "disk"), wire::einval);
}

TEST_F(MetaContext, Case31QueryWithoutColonIsInvalidOrIgnored) {
    WireClient client = structured();
    for (const uint32_t option : {wire::opt_list_meta_context, wire::opt_set_meta_context}) {
        const auto answers = ask_contexts(client, option, {"allocation"});
        ASSERT_EQ(answers.size(), 1u);
        EXPECT_TRUE(answers[0].type == wire::rep_ack || answers[0].type == wire::rep_invalid);
    }
    expect_option_in_step(client);
}

TEST_F(MetaContext, Case32SizesPastTheOptionAreInvalidInStep) {
    const std::vector<std::string> broken = {
        "",
        WireBytes().u32(4).raw("disk").bytes(),                  // No count.
        WireBytes().u32(100).raw("disk").u32(0).bytes(),         // Name.
        WireBytes().u32(0xfffffff8).raw("disk").u32(0).bytes(),  // Name, wraps.
        WireBytes().sized_text("disk").u32(1).u32(16).raw("base:allocation").bytes(),
        WireBytes().sized_text("disk").u32(1).u32(0xffffffff).raw("base:").bytes(),
        WireBytes().sized_text("disk").u32(0xffffffff).bytes(),  // 2^32-1 queries.
        WireBytes().sized_text("disk").u32(2).sized_text("base:allocation").bytes(),
        WireBytes().sized_text("disk").u32(1).raw("abc").bytes(),  // Cut size.
    };
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    WireClient client = structured();
    for (const uint32_t option : {wire::opt_list_meta_context, wire::opt_set_meta_context}) {
        for (size_t index = 0; index < broken.size(); ++index) {
            EXPECT_EQ(client.ask_type(option, broken[index]), wire::rep_invalid) << index;
        }
    }
    expect_option_in_step(client);
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes, resident_bytes + mebibyte);
    }
}

TEST_F(MetaContext, Case32NameAndQueryOf5000BytesAreRefused) {
    WireClient client = structured();
    for (const uint32_t option : {wire::opt_list_meta_context, wire::opt_set_meta_context}) {
        EXPECT_EQ(client.ask_type(option, meta_data(std::string(5000, 'n'), {})),
                  wire::rep_invalid);
        const auto answers = ask_contexts(client, option, {std::string(5000, 'q')});
        EXPECT_TRUE(answers.back().type == wire::rep_invalid ||
                    answers.back().type == wire::rep_ack);
        expect_option_in_step(client);
    }
}

TEST_F(MetaContext, Case33TrailingBytesLikeAnOptionAreNoOption) {
    WireClient client = structured();
    for (const uint32_t option : {wire::opt_list_meta_context, wire::opt_set_meta_context}) {
        const std::string data =
            meta_data("disk", {"base:allocation"}) + option_bytes(wire::opt_abort);
        const auto answers = client.ask(option, data);
        EXPECT_EQ(answers.size(), 1u) << "no context is told before the error";
        EXPECT_EQ(answers.back().type, wire::rep_invalid);
        expect_option_in_step(client);
    }
    expect_service();
}

TEST_F(MetaContext, Case34SecondSetWithoutQueriesSelectsNothing) {
    WireClient client = structured();
    client.select_base_allocation("disk");
    const auto answers = ask_contexts(client, wire::opt_set_meta_context, {});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].type, wire::rep_ack);
    EXPECT_EQ(block_status_error(client, "disk"), wire::einval);
}

TEST_F(MetaContext, Case34SecondSetThatFailsSelectsNothing) {
    const std::vector<std::pair<std::string, uint32_t>> failing = {
        {"", wire::rep_invalid},
        {meta_data("disk", {"base:allocation"}) + "x", wire::rep_invalid},
        {meta_data("nobody", {"base:allocation"}), wire::rep_unknown},
    };
    for (const auto& [data, error] : failing) {
        WireClient client = structured();
        client.select_base_allocation("disk");
        EXPECT_EQ(client.ask_type(wire::opt_set_meta_context, data), error);
        EXPECT_EQ(block_status_error(client, "disk"), wire::einval);
    }
}

TEST_F(MetaContext, Case34ListKeepsTheSelection) {
    WireClient client = structured();
    client.select_base_allocation("disk");
    (void)ask_contexts(client, wire::opt_list_meta_context, {});
    EXPECT_EQ(block_status_error(client, "disk"), wire::no_error);
}

TEST_F(MetaContext, Case35SelectionForAnotherExportDoesNotCount) {
    WireClient client = structured();
    client.select_base_allocation("disk");
    EXPECT_EQ(block_status_error(client, "other"), wire::einval);
    expect_in_step(client);
}

TEST_F(MetaContext, Case35SelectionForTheDefaultExportCounts) {
    WireClient client = structured();
    client.select_base_allocation("");
    EXPECT_EQ(block_status_error(client, ""), wire::no_error);
}

}  // namespace
}  // namespace blockd::support
