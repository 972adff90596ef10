#include "blockctl/options.h"

#include <gtest/gtest.h>

#include <vector>

#include "blockctl/command_table.h"

namespace blockd::blockctl {
namespace {

std::variant<Invocation, OptionsText> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "blockctl");
    return parse_options(int(words.size()), words.data());
}

Invocation accepted(const std::vector<const char*>& words) {
    const auto parsed = parse(words);
    if (const auto* const text = std::get_if<OptionsText>(&parsed)) ADD_FAILURE() << text->text;
    const auto* const invocation = std::get_if<Invocation>(&parsed);
    return invocation == nullptr ? Invocation() : *invocation;
}

std::string complaint(const std::vector<const char*>& words) {
    const auto parsed = parse(words);
    const auto* const text = std::get_if<OptionsText>(&parsed);
    if (text == nullptr) return "accepted";
    EXPECT_EQ(text->status, ExitStatus::usage);
    return text->text;
}

TEST(Options, TakeAnUriAndNumbersWithUnits) {
    const Invocation read = accepted({"read", "nbd://localhost/disk", "4KiB", "1MiB"});
    EXPECT_EQ(read.command, Command::read);
    ASSERT_TRUE(read.source.uri);
    EXPECT_EQ(read.source.uri->export_name, "disk");
    EXPECT_EQ(read.offset, 4096u);
    EXPECT_EQ(read.size, 1u << 20);
}

TEST(Options, CopyHasTheDocumentedDefaults) {
    const Invocation copy = accepted({"copy", "a.img", "nbd://localhost/"});
    EXPECT_EQ(copy.requests, 64u);
    EXPECT_EQ(copy.connections, 4u);
    EXPECT_EQ(copy.request_size, 256u << 10);
    EXPECT_EQ(copy.sparse_size, 4096u);
    EXPECT_TRUE(copy.is_flushed);
    EXPECT_FALSE(copy.source.uri);
    EXPECT_TRUE(copy.target.uri);
}

TEST(Options, CopyTakesItsOptionsInAnyPlace) {
    const Invocation copy =
        accepted({"copy", "--requests=8", "a", "--connections", "2", "b", "--request-size=64KiB",
                  "--sparse=0", "--no-flush", "--progress=json"});
    EXPECT_EQ(copy.requests, 8u);
    EXPECT_EQ(copy.connections, 2u);
    EXPECT_EQ(copy.request_size, 64u << 10);
    EXPECT_EQ(copy.sparse_size, 0u);
    EXPECT_FALSE(copy.is_flushed);
    EXPECT_EQ(copy.progress, ProgressKind::json);
    EXPECT_EQ(copy.target.text, "b");
}

TEST(Options, WriteTakesStdinByDefaultAndByDash) {
    EXPECT_EQ(accepted({"write", "nbd://h/", "0"}).file, "-");
    EXPECT_EQ(accepted({"write", "nbd://h/", "0", "-"}).file, "-");
    EXPECT_EQ(accepted({"write", "nbd://h/", "0", "x.bin", "--fua"}).file, "x.bin");
}

TEST(Options, NullIsOnlyACopysTarget) {
    EXPECT_TRUE(accepted({"copy", "a", "null:"}).target.is_null);
    EXPECT_EQ(complaint({"copy", "null:", "a"}), "null: can only be the target of a copy");
    EXPECT_EQ(complaint({"verify", "a", "null:"}), "null: can only be the target of a copy");
}

TEST(Options, ComplaintsNameTheValueAndWhatIsAllowed) {
    EXPECT_EQ(complaint({}), "no command; blockctl --help lists them");
    EXPECT_EQ(complaint({"frob"}), "'frob' is not a command; blockctl --help lists them");
    EXPECT_EQ(complaint({"read", "nbd://h/", "0"}), "blockctl read takes URI OFFSET SIZE");
    EXPECT_EQ(complaint({"info", "a", "b"}), "blockctl info takes URI");
    EXPECT_EQ(complaint({"info", "disk.img"}), "disk.img is not an NBD URI");
    EXPECT_EQ(complaint({"read", "nbd://h/", "1k", "1"}),
              "OFFSET is '1k'; it takes bytes, or a whole number with KiB, MiB, GiB or TiB");
    EXPECT_EQ(complaint({"copy", "a", "b", "--requests=0"}),
              "--requests is '0'; it takes 1 to 1024");
    EXPECT_EQ(complaint({"copy", "a", "b", "--request-size=5000"}),
              "--request-size is '5000'; it takes a multiple of 4 KiB");
    EXPECT_EQ(complaint({"copy", "a", "b", "--progress=loud"}),
              "--progress is 'loud'; it takes bar, json or none");
}

TEST(Options, UnknownOptionsAndAbbreviationsAreRefused) {
    EXPECT_NE(complaint({"info", "nbd://h/", "--jsn"}).find("--jsn"), std::string::npos);
    EXPECT_NE(complaint({"info", "nbd://h/", "--js"}).find("--js"), std::string::npos);
    EXPECT_NE(complaint({"flush", "nbd://h/", "--fua"}).find("--fua"), std::string::npos);
}

TEST(Options, MalformedUriSaysWhatIsWrong) {
    const std::string text = complaint({"info", "nbd+unix:///x"});
    EXPECT_NE(text.find("socket"), std::string::npos) << text;
    EXPECT_NE(complaint({"copy", "a", "nbd://h:99999/"}), "accepted");
}

TEST(Options, HelpOfEveryCommandNamesItsArguments) {
    for (const CommandEntry& entry : command_table) {
        const auto parsed = parse({entry.name.data(), "--help"});
        const auto* const text = std::get_if<OptionsText>(&parsed);
        ASSERT_NE(text, nullptr);
        EXPECT_EQ(text->status, ExitStatus::done);
        EXPECT_NE(text->text.find(entry.arguments), std::string::npos);
        EXPECT_NE(text->text.find("Exit status"), std::string::npos);
    }
}

}  // namespace
}  // namespace blockd::blockctl
