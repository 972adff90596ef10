#include "daemon/config.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/units.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

ConfigResult read(std::string_view text) {
    const JsonDocument document = parse_json(text);
    EXPECT_TRUE(document.is_complete) << text;
    return read_config(document.root, "/etc/blockd");
}

const JsonValue* member(const JsonValue& object, std::string_view key) {
    const auto found = std::find_if(object.members.begin(), object.members.end(),
                                    [key](const JsonMember& known) { return known.key == key; });
    return found == object.members.end() ? nullptr : &found->value;
}

// As the operator sees them, one a line.
std::string texts(const Complaints& complaints) {
    std::string text;
    for (const Complaint& complaint : complaints) text += complaint_text("c", complaint) + '\n';
    return text;
}

// The only complaint about a config that has this section too.
std::string complaint_about(std::string_view section) {
    const Complaints complaints =
        read(
            R"({"listeners": [{"unix": "b.sock"}], "exports": [{"name": "a", "file": "a.img"}], )" +
            std::string(section) + "}")
            .complaints;
    return texts(complaints);
}

TEST(ConfigReader, EveryDocumentGetsItsVerdict) {
    const JsonDocument documents = parse_json(support::read_file(CONFIG_DOCUMENTS));
    ASSERT_TRUE(documents.is_complete);
    ASSERT_GT(documents.root.elements.size(), 100u);
    for (const JsonValue& entry : documents.root.elements) {
        const ConfigResult result = read_config(*member(entry, "document"), "/etc/blockd");
        SCOPED_TRACE(member(entry, "name")->text + "\n" + texts(result.complaints));
        if (member(entry, "verdict")->text == "valid") {
            EXPECT_TRUE(result.complaints.empty());
            continue;
        }
        const std::string& path = member(entry, "path")->text;
        EXPECT_TRUE(
            std::any_of(result.complaints.begin(), result.complaints.end(),
                        [&path](const Complaint& complaint) { return complaint.path == path; }))
            << "no complaint about " << path;
    }
}

TEST(ConfigReader, OneMistakeIsOneComplaint) {
    const JsonDocument documents = parse_json(support::read_file(CONFIG_DOCUMENTS));
    for (const JsonValue& entry : documents.root.elements) {
        if (member(entry, "verdict")->text == "valid" || member(entry, "name")->text == "nothing") {
            continue;
        }
        const ConfigResult result = read_config(*member(entry, "document"), "/etc/blockd");
        EXPECT_EQ(result.complaints.size(), 1u) << member(entry, "name")->text << '\n'
                                                << texts(result.complaints);
    }
}

TEST(ConfigReader, EveryKeyArrivesInTheConfig) {
    const ConfigResult result = read(R"({
        "listeners": [{"unix": "../run/b.sock", "mode": "0600"}, {"tcp": "::1", "port": 4711}],
        "exports": [
            {"name": "a", "description": "one", "file": "disks/a.img", "size": "1GiB",
             "create": true, "default": true, "direct": false, "preallocate": false,
             "allow_weak_sync": true, "cache": {"size": "2MiB"}},
            {"name": "b", "file": "/b.img", "read_only": true}],
        "allow_list": false,
        "limits": {"connections": 10, "requests_per_connection": 11,
                   "bytes_per_connection": "40MiB", "requests": 12, "buffer_bytes": "80MiB",
                   "handshake_timeout": "1s", "transfer_timeout": "2s", "shutdown_grace": "500ms"},
        "io": {"backend": "kqueue", "disk_workers": 3},
        "log": {"level": "error", "file": "b.log", "format": "json"}})");
    EXPECT_EQ(texts(result.complaints), "");
    const Config& config = result.config;

    ASSERT_EQ(config.listeners.size(), 2u);
    EXPECT_EQ(config.listeners[0].address.path(), "/etc/run/b.sock");
    EXPECT_EQ(config.listeners[0].unix_mode, 0600u);
    EXPECT_EQ(config.listeners[1].address.text(), "[::1]:4711");

    ASSERT_EQ(config.exports.size(), 2u);
    const ExportConfig& first = config.exports[0];
    EXPECT_EQ(first.name, "a");
    EXPECT_EQ(first.description, "one");
    EXPECT_EQ(first.file, "/etc/blockd/disks/a.img");
    EXPECT_EQ(first.size, 1u << 30);
    EXPECT_TRUE(first.create && first.is_default && first.allow_weak_sync);
    EXPECT_FALSE(first.direct || first.preallocate || first.is_read_only);
    EXPECT_EQ(first.cache_size, 2u << 20);
    const ExportConfig& second = config.exports[1];
    EXPECT_EQ(second.file, "/b.img");
    EXPECT_EQ(second.size, 0u);
    EXPECT_EQ(second.cache_size, 0u);
    EXPECT_TRUE(second.is_read_only && second.direct && second.preallocate);
    EXPECT_FALSE(second.create || second.is_default || second.allow_weak_sync);

    EXPECT_FALSE(config.allow_list);
    EXPECT_EQ(config.limits.connections, 10u);
    EXPECT_EQ(config.limits.requests_per_connection, 11u);
    EXPECT_EQ(config.limits.bytes_per_connection, 40u << 20);
    EXPECT_EQ(config.limits.requests, 12u);
    EXPECT_EQ(config.limits.buffer_bytes, 80u << 20);
    EXPECT_EQ(config.limits.handshake_timeout_ns, 1'000'000'000u);
    EXPECT_EQ(config.limits.transfer_timeout_ns, 2'000'000'000u);
    EXPECT_EQ(config.limits.shutdown_grace_ns, 500'000'000u);
    EXPECT_EQ(config.io.backend, io::BackendKind::kqueue);
    EXPECT_EQ(config.io.disk_workers, 3u);
    EXPECT_EQ(config.log.level, server::LogLevel::error);
    EXPECT_EQ(config.log.file, "/etc/blockd/b.log");
    EXPECT_EQ(config.log.format, LogFormat::json);
}

TEST(ConfigReader, TheOnlyExportIsTheDefaultOne) {
    const ConfigResult one =
        read(R"({"listeners": [{"unix": "s"}], "exports": [{"name": "a", "file": "a"}]})");
    EXPECT_TRUE(one.config.exports[0].is_default);
    const ConfigResult two = read(R"({"listeners": [{"unix": "s"}], "exports": [
        {"name": "a", "file": "a"}, {"name": "b", "file": "b"}]})");
    EXPECT_FALSE(two.config.exports[0].is_default || two.config.exports[1].is_default);
}

TEST(ConfigReader, AComplaintSaysWhereWhatAndWhatIsAllowed) {
    EXPECT_EQ(complaint_about(R"("limits": {"buffer_bytes": 1024})"),
              "c: /limits/buffer_bytes: 1024: a size with a unit, like \"64MiB\" (units: B, KiB, "
              "MiB, GiB, TiB, PiB) from 64MiB to " +
                  size_text(server::buffer_bytes_max) + "\n");
    EXPECT_EQ(complaint_about(R"("limits": {"shutdown_grace": "10"})"),
              "c: /limits/shutdown_grace: \"10\": a time with a unit, like \"10s\" (units: us, ms, "
              "s, min, h) from 1ms to 24h\n");
    EXPECT_EQ(complaint_about(R"("io": {"disk_workers": 1000})"),
              "c: /io/disk_workers: 1000: a whole number from 1 to 256\n");
    EXPECT_EQ(complaint_about(R"("log": {"format": "xml"})"),
              "c: /log/format: \"xml\": \"text\" or \"json\"\n");
}

TEST(ConfigReader, LoopsShareTheLimits) {
    EXPECT_EQ(complaint_about(R"("io": {"loops": 4})"), "");
    EXPECT_EQ(complaint_about(R"("io": {"loops": 5})"),
              "c: /io/loops: 5: 1, or as many as have 64MiB of /limits/buffer_bytes, "
              "/limits/requests_per_connection of /limits/requests and one of "
              "/limits/connections each, which is 4\n");
    EXPECT_EQ(complaint_about(R"("io": {"loops": 5}, "limits": {"buffer_bytes": "320MiB"})"), "");
    EXPECT_EQ(complaint_about(R"("io": {"loops": 3}, "limits": {"requests": 383})"),
              "c: /io/loops: 3: 1, or as many as have 64MiB of /limits/buffer_bytes, "
              "/limits/requests_per_connection of /limits/requests and one of "
              "/limits/connections each, which is 2\n");
    EXPECT_EQ(complaint_about(R"("io": {"loops": 2, "record": "r"})"),
              "c: /io/loops: 2: 1 with /io/record\n");
    EXPECT_EQ(complaint_about(R"("io": {"loops": 65})"),
              "c: /io/loops: 65: a whole number from 1 to 64\n");
}

TEST(ConfigReader, AnUnknownKeyIsToldTheNearestKnownOne) {
    EXPECT_EQ(complaint_about(R"("log": {"levle": "info"})"),
              "c: /log/levle: \"info\": no such key; did you mean \"level\"? (allowed: level, "
              "format, file)\n");
    EXPECT_EQ(complaint_about(R"("log": {"colour": true})"),
              "c: /log/colour: true: no such key (allowed: level, format, file)\n");
}

TEST(ConfigReader, AHostileKeyCannotForgeALine) {
    EXPECT_EQ(complaint_about(R"("io": {"a\nc: /: fine": "\u001b[2J"})"),
              "c: /io/a\\x0ac: ~1: fine: \"\\u001b[2J\": no such key (allowed: backend, "
              "loops, disk_workers, record)\n");
}

TEST(ConfigReader, EveryMistakeIsToldAtOnce) {
    const ConfigResult result = read(R"({"listeners": [{"unix": 1}, {"tcp": "x"}], "exports": [
        {"name": "a", "file": "a", "size": 1}, {"name": "a"}], "log": 1, "extra": 2})");
    std::vector<std::string> paths;
    for (const Complaint& complaint : result.complaints) paths.push_back(complaint.path);
    const std::vector<std::string> expected = {"/listeners/0/unix",
                                               "/listeners/1/tcp",
                                               "/exports/0/size",
                                               "/exports/1/name",
                                               "/exports/1/file",
                                               "/log",
                                               "/extra"};
    EXPECT_EQ(paths, expected);
}

}  // namespace
}  // namespace blockd::daemon
