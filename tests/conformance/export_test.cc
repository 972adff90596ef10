// LIST, INFO and GO: which exports there are, and what is told of them.
#include <gtest/gtest.h>

#include <map>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

using Export = DaemonTest;

const std::initializer_list<uint16_t> all_types = {
    wire::info_export, wire::info_name, wire::info_description, wire::info_block_size, 9999};

std::map<std::string, std::string> listed(WireClient& client) {
    std::map<std::string, std::string> exports;
    for (const OptionAnswer& answer : client.ask(wire::opt_list)) {
        if (answer.type != wire::rep_server) continue;
        const uint32_t name_size = read_u32(answer.data, 0);
        exports[answer.data.substr(4, name_size)] = answer.data.substr(4 + name_size);
    }
    return exports;
}

TEST_F(Export, Case12ListTellsEveryExportOnce) {
    WireClient client = connect();
    client.greet();
    const std::map<std::string, std::string> expected = {
        {"disk", "the first disk"}, {"other", ""}, {"fixed", ""}};
    EXPECT_EQ(listed(client), expected);
    EXPECT_EQ(client.ask(wire::opt_list).size(), expected.size() + 1);
    expect_option_in_step(client);
}

TEST_F(Export, Case12ListLongerThanAnyBufferIsWhole) {
    for (int index = 0; index < 200; ++index) {
        config.exports.push_back({.name = "many-" + std::to_string(index),
                                  .file = file("many-" + std::to_string(index)),
                                  .description = std::string(2000, 'd')});
        make_sparse_file(config.exports.back().file, mebibyte);
    }
    start();
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(listed(client).size(), 203u);
    expect_option_in_step(client);
}

TEST_F(Export, Case13ListWithDataIsInvalid) {
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(client.ask_type(wire::opt_list, "data"), wire::rep_invalid);
    expect_option_in_step(client);
}

TEST_F(Export, Case14ForbiddenListIsRefusedByPolicy) {
    config.server = {"\"allow_list\": false"};
    start();
    WireClient client = connect();
    client.greet();
    const auto answers = client.ask(wire::opt_list);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].type, wire::rep_policy);
    expect_option_in_step(client);
}

TEST_F(Export, Case19InfoTellsWhatWasAskedFor) {
    WireClient client = connect();
    client.greet();
    const ExportFacts facts = client.ask_info(wire::opt_info, "disk", all_types);
    EXPECT_TRUE(facts.is_granted);
    EXPECT_TRUE(facts.has_export);
    EXPECT_EQ(facts.size, disk_size);
    EXPECT_TRUE(facts.has_name);
    EXPECT_EQ(facts.name, "disk");
    EXPECT_TRUE(facts.has_description);
    EXPECT_EQ(facts.description, "the first disk");
    EXPECT_TRUE(facts.has_block_size);
    EXPECT_EQ(facts.block_size_minimum, 1u);
    EXPECT_EQ(facts.block_size_preferred, 4096u);
    EXPECT_EQ(facts.block_size_maximum, 32 * mebibyte);
    EXPECT_TRUE(facts.other_types.empty());
}

TEST_F(Export, Case20InfoWithoutRequestsTellsTheSize) {
    WireClient client = connect();
    client.greet();
    const ExportFacts facts = client.ask_info(wire::opt_info, "other");
    EXPECT_TRUE(facts.is_granted);
    EXPECT_TRUE(facts.has_export);
    EXPECT_EQ(facts.size, other_size);
}

TEST_F(Export, EmptyNameIsTheDefaultExport) {
    WireClient client = connect();
    client.greet();
    const ExportFacts facts = client.ask_info(wire::opt_info, "", {wire::info_name});
    EXPECT_TRUE(facts.is_granted);
    EXPECT_EQ(facts.size, disk_size);
    EXPECT_EQ(facts.name, "disk") << "the canonical name of the default export";
    client.send_option(wire::opt_export_name, "");
    EXPECT_EQ(read_u64(client.receive(10), 0), disk_size);
    expect_in_step(client);
}

TEST_F(Export, Case21UnknownExportIsUnknownAndAGoodOneFollows) {
    WireClient client = connect();
    client.greet();
    const ExportFacts facts = client.ask_info(wire::opt_info, "nobody", all_types);
    EXPECT_EQ(facts.error, wire::rep_unknown);
    EXPECT_FALSE(facts.error_text.empty());
    EXPECT_FALSE(facts.has_export);
    EXPECT_EQ(client.go("nobody either").error, wire::rep_unknown);
    EXPECT_TRUE(client.go("disk").is_granted);
    expect_in_step(client);
}

TEST_F(Export, Case22BrokenInfoIsInvalidInStep) {
    const std::vector<std::string> broken = {
        "",
        std::string(5, '\0'),                                           // Shorter than any.
        WireBytes().u32(100).raw("disk").u16(0).bytes(),                // Name beyond the data.
        WireBytes().u32(5).raw("disk").u16(0).bytes(),                  // One byte beyond.
        WireBytes().u32(0xffffffff).raw("disk").u16(0).bytes(),         // Wraps.
        WireBytes().u32(0xfffffffa).raw("disk").u16(0).bytes(),         // Wraps with its 6 bytes.
        WireBytes().sized_text("disk").u16(2).u16(0).bytes(),           // One request of two.
        WireBytes().sized_text("disk").u16(0xffff).bytes(),             // None of 65,535.
        WireBytes().sized_text("disk").u16(1).u16(0).raw("x").bytes(),  // A byte too many.
        WireBytes().sized_text("disk").u16(0).u16(0).bytes(),           // A request uncounted.
        WireBytes().sized_text("disk").bytes(),                         // No count.
    };
    for (const uint32_t option : {wire::opt_info, wire::opt_go}) {
        WireClient client = connect();
        client.greet();
        for (size_t index = 0; index < broken.size(); ++index) {
            EXPECT_EQ(client.ask_type(option, broken[index]), wire::rep_invalid) << index;
        }
        expect_option_in_step(client);
    }
}

TEST_F(Export, Case23NameThatIsNoTextIsRefusedAndNotLoggedRaw) {
    const std::vector<std::string> names = {std::string("di\0sk", 5), "\xff\xfe", "\xc0\xaf",
                                            "\xed\xa0\x80\x1b[31mred", "line\none"};
    WireClient client = connect();
    client.greet();
    for (const std::string& name : names) {
        const ExportFacts facts = client.ask_info(wire::opt_info, name);
        EXPECT_TRUE(facts.error == wire::rep_invalid || facts.error == wire::rep_unknown);
        EXPECT_TRUE(is_valid_utf8(facts.error_text));
        EXPECT_EQ(facts.error_text.find('\x1b'), std::string::npos);
    }
    expect_option_in_step(client);
    client.send_option(wire::opt_export_name, "\x1b[31m\xff\nforged line");
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(is_valid_utf8(daemon.log()));
    EXPECT_EQ(daemon.log().find('\x1b'), std::string::npos);
    EXPECT_EQ(daemon.log().find("\nforged line"), std::string::npos);
}

TEST_F(Export, Case24NameOf5000BytesIsInvalid) {
    WireClient client = connect();
    client.greet();
    for (const uint32_t option : {wire::opt_info, wire::opt_go}) {
        const ExportFacts facts = client.ask_info(option, std::string(5000, 'n'));
        EXPECT_EQ(facts.error, wire::rep_invalid);
        EXPECT_LE(facts.error_text.size(), 4096u);
        expect_option_in_step(client);
    }
}

TEST_F(Export, Case24NameOf4096BytesIsUnknownWithABoundedText) {
    WireClient client = connect();
    client.greet();
    const ExportFacts facts = client.ask_info(wire::opt_info, std::string(4096, 'n'));
    EXPECT_EQ(facts.error, wire::rep_unknown);
    EXPECT_LE(facts.error_text.size(), 4096u);
    expect_option_in_step(client);
}

TEST_F(Export, Case24NameOf4096BytesCanBeAnExport) {
    const std::string name(4096, 'n');
    config.exports[1].name = name;
    config.exports[1].description = std::string(4096, 'd');
    start();
    WireClient client = connect();
    client.greet();
    EXPECT_EQ(listed(client).at(name).size(), 4096u);
    const ExportFacts facts = client.go(name, all_types);
    EXPECT_EQ(facts.name, name);
    EXPECT_EQ(facts.description.size(), 4096u);
    expect_in_step(client);
}

}  // namespace
}  // namespace blockd::support
