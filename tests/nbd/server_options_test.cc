// What each option is answered with.
#include <gtest/gtest.h>

#include "nbd/server_negotiation.h"

#include <array>

namespace blockd::nbd {
namespace {

using Status = ServerHandshake::Status;
using Types = std::vector<OptionReply>;
using namespace std::string_view_literals;

constexpr std::array base_allocation = {"base:allocation"sv};
constexpr std::array base_wildcard = {"base:"sv};

TEST(ServerOptions, ListGivesEveryExportAndAnAck) {
    ServerNegotiation negotiation;
    negotiation.start();
    const std::vector<OptionAnswer> answers = negotiation.ask(Option::list);
    ASSERT_EQ(types_of(answers),
              Types({OptionReply::server, OptionReply::server, OptionReply::ack}));
    EXPECT_EQ(answers[0].data, WireBuilder().sized_text("demo").text("A demo").bytes());
    EXPECT_EQ(answers[1].data, WireBuilder().sized_text("other").bytes());
    EXPECT_TRUE(answers[2].data.empty());
}

TEST(ServerOptions, ListOf1024LongestNamesContinuesAsTheOutputDrains) {
    std::vector<TestDirectory::Export> exports;
    for (size_t index = 0; index < 1024; ++index) {
        std::string name = std::to_string(index);
        name.resize(string_size_max, 'n');
        exports.push_back({.name = name, .description = std::string(string_size_max, 'd')});
    }
    ServerNegotiation negotiation((TestDirectory(exports)));
    negotiation.start();
    const std::vector<OptionAnswer> answers = negotiation.ask(Option::list);
    ASSERT_EQ(answers.size(), exports.size() + 1);
    for (size_t index = 0; index < exports.size(); ++index) {
        ASSERT_EQ(
            answers[index].data,
            WireBuilder().sized_text(exports[index].name).text(exports[index].description).bytes());
    }
    EXPECT_EQ(answers.back().reply(), OptionReply::ack);
    EXPECT_TRUE(negotiation.is_in_step());
}

TEST(ServerOptions, ListOfNothingIsAnAck) {
    ServerNegotiation negotiation{TestDirectory(std::vector<TestDirectory::Export>())};
    negotiation.start();
    EXPECT_EQ(types_of(negotiation.ask(Option::list)), Types({OptionReply::ack}));
    EXPECT_EQ(types_of(negotiation.ask(Option::info, info_data(""))),
              Types({OptionReply::error_unknown}));
}

TEST(ServerOptions, ListIsRefusedWhereItIsForbidden) {
    TestDirectory directory;
    directory.forbid_list();
    ServerNegotiation negotiation(directory);
    negotiation.start();
    EXPECT_EQ(types_of(negotiation.ask(Option::list)), Types({OptionReply::error_policy}));
    EXPECT_TRUE(negotiation.is_in_step());
}

TEST(ServerOptions, DataWhereNoneBelongsIsInvalid) {
    ServerNegotiation negotiation;
    negotiation.start();
    for (const Option option : {Option::list, Option::structured_reply, Option::starttls}) {
        for (const size_t size : {1u, 16u, 100'000u}) {
            EXPECT_EQ(types_of(negotiation.ask(option, Bytes(size))),
                      Types({OptionReply::error_invalid}));
            EXPECT_TRUE(negotiation.is_in_step());
        }
    }
}

TEST(ServerOptions, StarttlsIsRefusedByPolicy) {
    ServerNegotiation negotiation;
    negotiation.start();
    EXPECT_EQ(types_of(negotiation.ask(Option::starttls)), Types({OptionReply::error_policy}));
    EXPECT_TRUE(negotiation.is_in_step());
}

TEST(ServerOptions, StructuredReplyIsAcknowledgedOnce) {
    ServerNegotiation negotiation;
    negotiation.start();
    EXPECT_EQ(types_of(negotiation.ask(Option::structured_reply, Bytes(1))),
              Types({OptionReply::error_invalid}));
    EXPECT_EQ(types_of(negotiation.ask(Option::structured_reply)), Types({OptionReply::ack}));
    EXPECT_EQ(types_of(negotiation.ask(Option::structured_reply)),
              Types({OptionReply::error_invalid}));
    negotiation.send(WireBuilder().option(Option::go, info_data("demo")));
    EXPECT_TRUE(negotiation.handshake().negotiated().has_structured_replies);
}

TEST(ServerOptions, InfoSendsWhatIsAskedAndAlwaysTheExport) {
    ServerNegotiation negotiation;
    negotiation.start();
    const std::array<uint16_t, 5> all = {0, 1, 2, 3, 9999};
    const std::vector<OptionAnswer> answers = negotiation.ask(Option::info, info_data("demo", all));
    ASSERT_EQ(types_of(answers), Types({OptionReply::info, OptionReply::info, OptionReply::info,
                                        OptionReply::info, OptionReply::ack}));
    EXPECT_EQ(hex(answers[0].data), "00 00 00 00 00 00 00 10 00 00 00 05");
    EXPECT_EQ(answers[1].data, WireBuilder().be16(1).text("demo").bytes());
    EXPECT_EQ(answers[2].data, WireBuilder().be16(2).text("A demo").bytes());
    EXPECT_EQ(hex(answers[3].data), "00 03 00 00 00 01 00 00 10 00 02 00 00 00");

    const std::vector<OptionAnswer> bare = negotiation.ask(Option::info, info_data("demo"));
    ASSERT_EQ(types_of(bare), Types({OptionReply::info, OptionReply::ack}));
    EXPECT_EQ(bare[0].data, answers[0].data);
    EXPECT_EQ(negotiation.status(), Status::negotiating);
}

TEST(ServerOptions, InfoOfADefaultExportTellsItsRealName) {
    ServerNegotiation negotiation;
    negotiation.start();
    const std::array<uint16_t, 2> wanted = {1, 2};
    const std::vector<OptionAnswer> answers = negotiation.ask(Option::info, info_data("", wanted));
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[1].data, WireBuilder().be16(1).text("demo").bytes());
    const std::vector<OptionAnswer> other =
        negotiation.ask(Option::info, info_data("other", wanted));
    EXPECT_EQ(other.size(), 3u) << "an export without a description sends none";
}

TEST(ServerOptions, GoAnswersAsInfoDidAndEntersTheTransmissionUnpadded) {
    for (const uint32_t flags : {1u, 3u}) {
        ServerNegotiation negotiation;
        negotiation.start(flags);
        const std::array<uint16_t, 3> wanted = {3, 1, 2};
        const std::vector<OptionAnswer> info =
            negotiation.ask(Option::info, info_data("demo", wanted));
        const std::vector<OptionAnswer> go = negotiation.ask(Option::go, info_data("demo", wanted));
        ASSERT_EQ(types_of(info), types_of(go));
        for (size_t index = 0; index < go.size(); ++index) {
            EXPECT_EQ(info[index].data, go[index].data);
        }
        EXPECT_EQ(negotiation.status(), Status::transmission);
    }
}

TEST(ServerOptions, GoOfTheSecondExportNegotiatesIt) {
    ServerNegotiation negotiation;
    negotiation.start();
    negotiation.ask(Option::go, info_data("other"));
    EXPECT_EQ(negotiation.handshake().negotiated().export_index, 1u);
    EXPECT_FALSE(negotiation.handshake().negotiated().has_structured_replies);
}

TEST(ServerOptions, AnUnknownExportIsRefusedWithTextAndAGoodOneStillWorks) {
    ServerNegotiation negotiation;
    negotiation.start();
    const std::vector<OptionAnswer> answers = negotiation.ask(Option::info, info_data("nope"));
    EXPECT_EQ(types_of(answers), Types({OptionReply::error_unknown}));
    EXPECT_FALSE(answers[0].text().empty());
    EXPECT_EQ(types_of(negotiation.ask(Option::go, info_data("nope"))),
              Types({OptionReply::error_unknown}));
    EXPECT_EQ(negotiation.status(), Status::negotiating);
    negotiation.ask(Option::go, info_data("demo"));
    EXPECT_EQ(negotiation.status(), Status::transmission);
}

TEST(ServerOptions, InfoWithLengthsThatDoNotAddUpIsInvalid) {
    const Bytes malformed[] = {
        {},
        WireBuilder().be16(0).bytes(),
        WireBuilder().be32(0).bytes(),
        WireBuilder().be32(5).text("demo").be16(0).bytes(),
        WireBuilder().be32(100).text("demo").be16(0).bytes(),
        WireBuilder().be32(0xffffffff).text("demo").be16(0).bytes(),
        WireBuilder().be32(0xfffffffc).text("demo").be16(0).bytes(),
        WireBuilder().sized_text("demo").be16(1).bytes(),
        WireBuilder().sized_text("demo").be16(0xffff).be16(3).bytes(),
        WireBuilder().sized_text("demo").be16(1).be16(3).be16(3).bytes(),
        WireBuilder().sized_text("demo").be16(0).text("x").bytes(),
        WireBuilder().sized_text("demo").be16(0).option(Option::list).bytes(),
    };
    for (const Option option : {Option::info, Option::go}) {
        for (const Bytes& data : malformed) {
            ServerNegotiation negotiation;
            negotiation.start();
            EXPECT_EQ(types_of(negotiation.ask(option, data)), Types({OptionReply::error_invalid}))
                << hex(data);
            EXPECT_TRUE(negotiation.is_in_step());
        }
    }
}

TEST(ServerOptions, EveryTruncationOfInfoIsInvalid) {
    const std::array<uint16_t, 2> wanted = {1, 3};
    const Bytes data = info_data("demo", wanted);
    for (size_t size = 0; size < data.size(); ++size) {
        ServerNegotiation negotiation;
        negotiation.start();
        EXPECT_EQ(types_of(negotiation.ask(Option::info, std::span(data).first(size))),
                  Types({OptionReply::error_invalid}))
            << size;
        EXPECT_TRUE(negotiation.is_in_step());
    }
}

TEST(ServerOptions, NamesThatAreNoStringsAreInvalidAndNeverEchoed) {
    for (const std::string& name :
         {std::string("de\0mo", 5), std::string("\xff\xfe"), std::string("\xed\xa0\x80"),
          std::string(5000, 'n'), std::string(string_size_max + 1, 'n')}) {
        ServerNegotiation negotiation;
        negotiation.start();
        const std::vector<OptionAnswer> answers = negotiation.ask(Option::go, info_data(name));
        ASSERT_EQ(types_of(answers), Types({OptionReply::error_invalid}));
        EXPECT_LT(answers[0].data.size(), 100u);
        EXPECT_TRUE(is_utf8(answers[0].text()));
        EXPECT_TRUE(negotiation.is_in_step());
    }
    ServerNegotiation negotiation;
    negotiation.start();
    const std::vector<OptionAnswer> longest =
        negotiation.ask(Option::go, info_data(std::string(string_size_max, 'n')));
    ASSERT_EQ(types_of(longest), Types({OptionReply::error_unknown}));
    EXPECT_LT(longest[0].data.size(), 100u);
}

TEST(ServerOptions, ListMetaContextKnowsBaseAllocation) {
    ServerNegotiation negotiation;
    negotiation.start();
    const Bytes expected = WireBuilder().be32(0).text("base:allocation").bytes();
    for (const Bytes& data :
         {meta_context_data("demo", {}), meta_context_data("demo", base_wildcard),
          meta_context_data("demo", base_allocation)}) {
        const std::vector<OptionAnswer> answers = negotiation.ask(Option::list_meta_context, data);
        ASSERT_EQ(types_of(answers), Types({OptionReply::meta_context, OptionReply::ack}));
        EXPECT_EQ(answers[0].data, expected);
    }
    const std::array others = {"x-unknown:foo"sv, "qemu:dirty-bitmap:b"sv, "base:other"sv};
    EXPECT_EQ(
        types_of(negotiation.ask(Option::list_meta_context, meta_context_data("demo", others))),
        Types({OptionReply::ack}));
}

// What SET_META_CONTEXT leads to when GO names `go_name` afterwards.
bool has_context_after(std::span<const Bytes> set_data, std::string_view go_name) {
    ServerNegotiation negotiation;
    negotiation.start();
    negotiation.ask(Option::structured_reply);
    for (const Bytes& data : set_data) negotiation.ask(Option::set_meta_context, data);
    negotiation.ask(Option::go, info_data(go_name));
    EXPECT_EQ(negotiation.status(), Status::transmission);
    return negotiation.handshake().negotiated().has_base_allocation;
}

TEST(ServerOptions, SetMetaContextSelectsWhatIsKnownAndIgnoresTheRest) {
    ServerNegotiation negotiation;
    negotiation.start();
    EXPECT_EQ(types_of(negotiation.ask(Option::set_meta_context,
                                       meta_context_data("demo", base_allocation))),
              Types({OptionReply::error_invalid}))
        << "structured replies come first";
    negotiation.ask(Option::structured_reply);
    const std::array queries = {"x-unknown:foo"sv, "base:allocation"sv, "base:allocation"sv};
    const std::vector<OptionAnswer> answers =
        negotiation.ask(Option::set_meta_context, meta_context_data("demo", queries));
    ASSERT_EQ(types_of(answers), Types({OptionReply::meta_context, OptionReply::ack}));
    negotiation.ask(Option::go, info_data("demo"));
    const ServerHandshake::Negotiated& negotiated = negotiation.handshake().negotiated();
    EXPECT_TRUE(negotiated.has_base_allocation);
    EXPECT_EQ(answers[0].data,
              WireBuilder().be32(negotiated.base_allocation_id).text("base:allocation").bytes());
}

TEST(ServerOptions, SetMetaContextWithoutAMatchSelectsNothing) {
    const std::array colonless = {"base"sv, ""sv, "allocation"sv};
    for (const Bytes& data :
         {meta_context_data("demo", base_wildcard), meta_context_data("demo", colonless),
          meta_context_data("demo", {})}) {
        ServerNegotiation negotiation;
        negotiation.start();
        negotiation.ask(Option::structured_reply);
        EXPECT_EQ(types_of(negotiation.ask(Option::set_meta_context, data)),
                  Types({OptionReply::ack}));
        EXPECT_FALSE(has_context_after(std::span(&data, 1), "demo"));
    }
}

TEST(ServerOptions, ContextsCountOnlyForTheExportTheyWereSetFor) {
    const Bytes demo = meta_context_data("demo", base_allocation);
    const Bytes by_default = meta_context_data("", base_allocation);
    EXPECT_TRUE(has_context_after(std::span(&demo, 1), "demo"));
    EXPECT_TRUE(has_context_after(std::span(&demo, 1), "")) << "the same export";
    EXPECT_TRUE(has_context_after(std::span(&by_default, 1), "demo"));
    EXPECT_FALSE(has_context_after(std::span(&demo, 1), "other"));
}

TEST(ServerOptions, ALaterSetReplacesTheFirstEvenWhenItFails) {
    const Bytes good = meta_context_data("demo", base_allocation);
    const Bytes selects_none = meta_context_data("demo", {});
    const Bytes unknown = meta_context_data("nope", base_allocation);
    const Bytes malformed = WireBuilder().be32(99).bytes();
    const Bytes too_big(option_data_size_max + 1);
    for (const Bytes& later : {selects_none, unknown, malformed, too_big}) {
        const Bytes both[] = {good, later};
        EXPECT_FALSE(has_context_after(both, "demo"));
        const Bytes thrice[] = {good, later, good};
        EXPECT_TRUE(has_context_after(thrice, "demo"));
    }
}

TEST(ServerOptions, MetaContextWithLengthsThatDoNotAddUpIsInvalid) {
    const Bytes malformed[] = {
        {},
        WireBuilder().be32(0).bytes(),
        WireBuilder().be32(0xffffffff).be32(0).bytes(),
        WireBuilder().sized_text("demo").be32(0xffffffff).bytes(),
        WireBuilder().sized_text("demo").be32(1).bytes(),
        WireBuilder().sized_text("demo").be32(1).be32(16).text("base:allocation").bytes(),
        WireBuilder().sized_text("demo").be32(1).be32(0xffffffff).text("base:").bytes(),
        WireBuilder().sized_text("demo").be32(1).sized_text(std::string(4097, 'q')).bytes(),
        WireBuilder().sized_text("demo").be32(1).sized_text("\xff:").bytes(),
        WireBuilder().sized_text("demo").be32(0).option(Option::list).bytes(),
        WireBuilder().sized_text("demo").be32(1).sized_text("base:").text("x").bytes(),
    };
    for (const Option option : {Option::list_meta_context, Option::set_meta_context}) {
        for (const Bytes& data : malformed) {
            ServerNegotiation negotiation;
            negotiation.start();
            negotiation.ask(Option::structured_reply);
            EXPECT_EQ(types_of(negotiation.ask(option, data)), Types({OptionReply::error_invalid}))
                << hex(data);
            EXPECT_TRUE(negotiation.is_in_step());
        }
    }
}

TEST(ServerOptions, EveryTruncationOfMetaContextIsInvalid) {
    const Bytes data = meta_context_data("demo", base_allocation);
    for (size_t size = 0; size < data.size(); ++size) {
        ServerNegotiation negotiation;
        negotiation.start();
        negotiation.ask(Option::structured_reply);
        EXPECT_EQ(types_of(negotiation.ask(Option::set_meta_context, std::span(data).first(size))),
                  Types({OptionReply::error_invalid}));
        EXPECT_TRUE(negotiation.is_in_step());
    }
}

TEST(ServerOptions, DfIsOfferedOnlyWithStructuredReplies) {
    for (const bool is_structured : {false, true}) {
        ServerNegotiation negotiation;
        negotiation.start();
        if (is_structured) negotiation.ask(Option::structured_reply);
        const std::vector<OptionAnswer> answers = negotiation.ask(Option::go, info_data("demo"));
        ASSERT_EQ(answers[0].data.size(), sizeof(InfoExport));
        const uint16_t flags = negotiation.handshake().negotiated().flags;
        EXPECT_EQ((flags & transmission_flag::send_df) != 0, is_structured);
        EXPECT_EQ(hex(std::span(answers[0].data).last(2)), is_structured ? "00 85" : "00 05");
    }
}

}  // namespace
}  // namespace blockd::nbd
