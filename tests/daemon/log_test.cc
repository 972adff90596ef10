#include "daemon/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/json_document.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

using server::LogField;
using server::LogLevel;
using ::testing::MatchesRegex;

// What a log with these options writes into its file.
std::string written(LogOptions options, auto write_lines) {
    const support::TemporaryDirectory folder;
    options.file = folder.file("blockd.log");
    {
        const auto log = make_log(options);
        if (std::holds_alternative<std::string>(log)) return std::get<std::string>(log);
        write_lines(*std::get<std::unique_ptr<server::Log>>(log));
    }
    return support::read_file(options.file);
}

constexpr std::string_view hostile_name = "x\n2026-01-01 error forged \"line\"\\";

std::vector<LogField> hostile_fields() {
    return {{"export", hostile_name}, {"size_bytes", uint64_t(4096)}};
}

TEST(Log, ATextLineIsTimeLevelMessageAndFields) {
    const std::string text = written({}, [](server::Log& log) {
        log.write(LogLevel::info, "connection opened",
                  {{"peer", "127.0.0.1:5"}, {"number", uint64_t(7)}});
    });
    EXPECT_THAT(text, MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z info "
                                   "connection opened peer=127.0.0.1:5 number=7\n"));
}

TEST(Log, AJsonLineIsOneJsonObject) {
    const std::string text = written({.format = LogFormat::json}, [](server::Log& log) {
        log.write(LogLevel::warning, "refused", hostile_fields());
    });
    ASSERT_EQ(text.find('\n'), text.size() - 1);
    const JsonDocument document = parse_json(text);
    ASSERT_TRUE(document.is_complete) << text;
    ASSERT_EQ(document.root.members.size(), 5u);
    EXPECT_EQ(document.root.members[0].key, "time");
    EXPECT_EQ(document.root.members[1].value.text, "warning");
    EXPECT_EQ(document.root.members[2].value.text, "refused");
    EXPECT_EQ(document.root.members[3].value.text, hostile_name);
    EXPECT_EQ(document.root.members[4].value.count, 4096u);
}

TEST(Log, AHostileNameStaysOnItsLineInItsField) {
    EXPECT_EQ(log_line_text(LogFormat::text, "refused", hostile_fields()),
              "refused export=\"x\\x0a2026-01-01 error forged \\\"line\\\"\\\\\" size_bytes=4096");
}

TEST(Log, PercentSignsAndBracesOfClientsMeanNothing) {
    const std::string text = written({}, [](server::Log& log) {
        log.write(LogLevel::info, "refused", {{"export", "%v%n{}{0}%s"}});
    });
    EXPECT_NE(text.find("export=\"%v%n{}{0}%s\"\n"), std::string::npos) << text;
}

TEST(Log, LinesBelowItsLevelAreLeftOut) {
    const auto write_all = [](server::Log& log) {
        log.write(LogLevel::debug, "d");
        log.write(LogLevel::info, "i");
        log.write(LogLevel::warning, "w");
        log.write(LogLevel::error, "e");
    };
    EXPECT_THAT(written({.level = LogLevel::warning}, write_all),
                MatchesRegex("[^\n]* warning w\n[^\n]* error e\n"));
    EXPECT_THAT(written({.level = LogLevel::debug}, write_all),
                MatchesRegex("[^\n]*debug d\n[^\n]*\n[^\n]*\n[^\n]*\n"));
}

TEST(Log, AFileIsAppendedTo) {
    const support::TemporaryDirectory folder;
    const std::string path = folder.file("blockd.log");
    support::write_file(path, "before\n");
    {
        const auto log = make_log({.file = path});
        std::get<std::unique_ptr<server::Log>>(log)->write(LogLevel::error, "after");
    }
    EXPECT_THAT(support::read_file(path), MatchesRegex("before\n[^\n]* error after\n"));
}

TEST(Log, AFileThatCannotBeOpenedIsNamed) {
    const support::TemporaryDirectory folder;
    const auto log = make_log({.file = folder.path()});
    ASSERT_TRUE(std::holds_alternative<std::string>(log));
    EXPECT_NE(std::get<std::string>(log).find(folder.path()), std::string::npos);
}

}  // namespace
}  // namespace blockd::daemon
