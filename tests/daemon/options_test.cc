#include "daemon/options.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "daemon/config.h"

namespace blockd::daemon {
namespace {

std::variant<Options, UsageError> parse(std::initializer_list<const char*> words) {
    std::vector<const char*> arguments = {"blockd"};
    arguments.insert(arguments.end(), words);
    return parse_options(static_cast<int32_t>(arguments.size()), arguments.data());
}

Options right(std::initializer_list<const char*> words) {
    const auto options = parse(words);
    if (const auto* const error = std::get_if<UsageError>(&options)) {
        ADD_FAILURE() << error->message;
        return {};
    }
    return std::get<Options>(options);
}

std::string wrong(std::initializer_list<const char*> words) {
    const auto options = parse(words);
    if (std::holds_alternative<Options>(options)) return "";
    return std::get<UsageError>(options).message;
}

TEST(Options, AConfigIsServed) {
    const Options options = right({"--config", "a.json"});
    EXPECT_EQ(options.task, Options::Task::serve);
    EXPECT_EQ(options.config_file, "a.json");
    EXPECT_EQ(right({"--config=a.json"}).config_file, "a.json");
    EXPECT_EQ(right({"-c", "a.json"}).config_file, "a.json");
}

TEST(Options, TasksAreChosen) {
    EXPECT_EQ(right({"--config", "a.json", "--check"}).task, Options::Task::check);
    EXPECT_EQ(right({"--version"}).task, Options::Task::print_version);
    EXPECT_EQ(right({"--help", "--config", "a.json"}).task, Options::Task::print_help);
}

TEST(Options, OneExportNeedsNoConfig) {
    const Options options = right(
        {"--socket", "b.sock", "--port", "1234", "--export", "disk", "--size", "1GiB", "disk.img"});
    EXPECT_TRUE(options.config_file.empty());
    const ConfigResult result = read_config(options.document.root, "/data");
    EXPECT_TRUE(result.complaints.empty());
    ASSERT_EQ(result.config.listeners.size(), 2u);
    EXPECT_EQ(result.config.listeners[0].address.path(), "/data/b.sock");
    EXPECT_EQ(result.config.listeners[1].address.text(), "127.0.0.1:1234");
    ASSERT_EQ(result.config.exports.size(), 1u);
    const ExportConfig& config = result.config.exports[0];
    EXPECT_EQ(config.name, "disk");
    EXPECT_EQ(config.file, "/data/disk.img");
    EXPECT_EQ(config.size, 1u << 30);
    EXPECT_TRUE(config.create);
    EXPECT_TRUE(config.is_default);
    EXPECT_FALSE(config.is_read_only);
}

TEST(Options, AReadOnlyExportNeverMakesItsFile) {
    const Options options = right(
        {"--socket", "b.sock", "--export", "disk", "--size", "1GiB", "--read-only", "disk.img"});
    const ConfigResult result = read_config(options.document.root, "/data");
    EXPECT_TRUE(result.complaints.empty());
    EXPECT_TRUE(result.config.exports[0].is_read_only);
    EXPECT_FALSE(result.config.exports[0].create);
}

TEST(Options, WithoutASizeTheFileHasToExist) {
    const Options options = right({"--socket", "b.sock", "--export", "disk", "disk.img"});
    const ConfigResult result = read_config(options.document.root, "/data");
    EXPECT_EQ(result.config.exports[0].size, 0u);
    EXPECT_FALSE(result.config.exports[0].create);
}

TEST(Options, ARecordIsAskedForWithoutAConfigOrInIt) {
    const Options options =
        right({"--socket", "b.sock", "--export", "disk", "--record", "b.record", "disk.img"});
    EXPECT_EQ(read_config(options.document.root, "/data").config.io.record, "/data/b.record");
    const Options silent = right({"--socket", "b.sock", "--export", "disk", "disk.img"});
    EXPECT_EQ(read_config(silent.document.root, "/data").config.io.record, "");
    EXPECT_EQ(wrong({"--config", "a.json", "--record", "b.record"}),
              "--record does not go with --config: write it into the config");
    EXPECT_EQ(named_as_option({"/io/record", "", ""}).path, "--record");
}

TEST(Options, BadUsageIsOneClearSentence) {
    EXPECT_EQ(wrong({}),
              "nothing to serve: give --config FILE, or --socket PATH --export NAME FILE");
    EXPECT_EQ(wrong({"--frobnicate"}), "unrecognised option '--frobnicate'");
    EXPECT_EQ(wrong({"--conf", "x"}), "unrecognised option '--conf'") << "no abbreviations";
    EXPECT_EQ(wrong({"--config"}), "the required argument for option '--config' is missing");
    EXPECT_EQ(wrong({"--config", ""}), "--config needs a file");
    EXPECT_EQ(wrong({"--config", "a", "--config", "b"}),
              "option '--config' cannot be specified more than once");
    EXPECT_EQ(wrong({"--config", "a.json", "disk.img"}),
              "FILE (disk.img) does not go with --config: write it into the config");
    EXPECT_EQ(wrong({"--config", "a.json", "--socket", "x"}),
              "--socket does not go with --config: write it into the config");
    EXPECT_EQ(wrong({"--export", "a", "disk.img"}),
              "nowhere to listen: give --socket PATH or --port PORT");
    EXPECT_EQ(wrong({"--socket", "x", "disk.img"}), "--export NAME is missing");
    EXPECT_EQ(wrong({"--socket", "x", "--export", "a"}),
              "FILE, the data file to serve, is missing");
    EXPECT_EQ(wrong({"--socket", "x", "--export", "a", "one.img", "two.img"}),
              "more than one FILE: several exports need a config");
}

TEST(Options, WrongValuesAreNamedByTheirOption) {
    const Options options = right(
        {"--socket", "b.sock", "--port", "99999", "--export", "disk", "--size", "12", "disk.img"});
    const ConfigResult result = read_config(options.document.root, "/data");
    ASSERT_EQ(result.complaints.size(), 2u);
    EXPECT_EQ(named_as_option(result.complaints[0]).path, "--port");
    EXPECT_EQ(named_as_option(result.complaints[1]).path, "--size");
    EXPECT_EQ(named_as_option({"/listeners/0/unix", "", ""}).path, "--socket");
    EXPECT_EQ(named_as_option({"/exports/0/file", "", ""}).path, "FILE");
    EXPECT_EQ(named_as_option({"/exports/0/name", "", ""}).path, "--export");
}

TEST(Options, HelpNamesEveryOption) {
    const std::string help = help_text();
    for (const char* const option :
         {"--config", "--check", "--socket", "--port", "--export", "--size", "--read-only",
          "--record", "--version", "--help", "FILE"}) {
        EXPECT_NE(help.find(option), std::string::npos) << option;
    }
}

}  // namespace
}  // namespace blockd::daemon
