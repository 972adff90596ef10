// The files in config/ and docs/ against the code: defaults, bounds, and a word on every key.
#include <gtest/gtest.h>

#include <filesystem>
#include <string_view>

#include "daemon/config.h"
#include "daemon/units.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

const JsonValue& at(const JsonValue& value, std::string_view path) {
    const JsonValue* current = &value;
    while (!path.empty()) {
        const size_t end = path.find('/');
        const std::string_view key = path.substr(0, end);
        const JsonValue* next = nullptr;
        for (const JsonMember& member : current->members) {
            if (member.key == key) next = &member.value;
        }
        if (next == nullptr) {
            ADD_FAILURE() << "no key " << key;
            return *current;
        }
        current = next;
        path = end == std::string_view::npos ? "" : path.substr(end + 1);
    }
    return *current;
}

JsonValue parsed(const std::string& path) {
    const JsonDocument document = parse_json(support::read_file(path));
    EXPECT_TRUE(document.is_complete && document.complaints.empty()) << path;
    return document.root;
}

TEST(DefaultConfig, IsRightAndServesTheDemo) {
    const ConfigResult result = read_config(parsed(CONFIG_FOLDER "/blockd.json"), "/b/config");
    ASSERT_TRUE(result.complaints.empty());
    ASSERT_EQ(result.config.listeners.size(), 2u);
    EXPECT_EQ(result.config.listeners[0].address.text(), "unix:/b/var/blockd.sock");
    EXPECT_EQ(result.config.listeners[1].address.text(), "127.0.0.1:10809");
    ASSERT_EQ(result.config.exports.size(), 1u);
    const ExportConfig& demo = result.config.exports[0];
    EXPECT_EQ(demo.name, "demo");
    EXPECT_EQ(demo.file, "/b/var/demo.img");
    EXPECT_EQ(demo.size, 1u << 30);
    EXPECT_TRUE(demo.create && demo.is_default);
}

TEST(DefaultConfig, SaysNothingButTheDefaultsOfLimitsIoAndLog) {
    const Config written = read_config(parsed(CONFIG_FOLDER "/blockd.json"), "/b/config").config;
    const server::Limits defaults;
    EXPECT_EQ(written.limits.connections, defaults.connections);
    EXPECT_EQ(written.limits.requests_per_connection, defaults.requests_per_connection);
    EXPECT_EQ(written.limits.bytes_per_connection, defaults.bytes_per_connection);
    EXPECT_EQ(written.limits.requests, defaults.requests);
    EXPECT_EQ(written.limits.buffer_bytes, defaults.buffer_bytes);
    EXPECT_EQ(written.limits.handshake_timeout_ns, defaults.handshake_timeout_ns);
    EXPECT_EQ(written.limits.transfer_timeout_ns, defaults.transfer_timeout_ns);
    EXPECT_EQ(written.limits.shutdown_grace_ns, defaults.shutdown_grace_ns);
    EXPECT_EQ(written.io.loops, IoConfig().loops);
    EXPECT_EQ(written.io.disk_workers, io::BackendOptions().disk_workers);
    EXPECT_EQ(written.log.level, LogOptions().level);
    EXPECT_EQ(written.log.file, LogOptions().file);
    EXPECT_EQ(written.log.format, LogOptions().format);
}

TEST(ConfigSchema, HasTheCodesDefaultsAndBounds) {
    const JsonValue schema = parsed(CONFIG_FOLDER "/blockd.schema.json");
    const JsonValue& limits = at(schema, "definitions/limits/properties");
    const server::Limits defaults;
    EXPECT_EQ(at(limits, "connections/default").count, defaults.connections);
    EXPECT_EQ(at(limits, "connections/maximum").count, server::connections_max);
    EXPECT_EQ(at(limits, "requests_per_connection/default").count,
              defaults.requests_per_connection);
    EXPECT_EQ(at(limits, "requests_per_connection/maximum").count,
              server::requests_per_connection_max);
    EXPECT_EQ(at(limits, "requests/default").count, defaults.requests);
    EXPECT_EQ(at(limits, "requests/maximum").count, server::requests_max);
    EXPECT_EQ(at(limits, "bytes_per_connection/default").text,
              size_text(defaults.bytes_per_connection));
    EXPECT_EQ(at(limits, "buffer_bytes/default").text, size_text(defaults.buffer_bytes));
    EXPECT_EQ(at(limits, "handshake_timeout/default").text,
              duration_text(defaults.handshake_timeout_ns));
    EXPECT_EQ(at(limits, "transfer_timeout/default").text,
              duration_text(defaults.transfer_timeout_ns));
    EXPECT_EQ(at(limits, "shutdown_grace/default").text, duration_text(defaults.shutdown_grace_ns));

    const JsonValue& properties = at(schema, "properties");
    EXPECT_EQ(at(properties, "listeners/maxItems").count, server::listeners_max);
    EXPECT_EQ(at(properties, "exports/maxItems").count, server::exports_max);
    const JsonValue& loops = at(schema, "definitions/io/properties/loops");
    EXPECT_EQ(at(loops, "default").count, IoConfig().loops);
    EXPECT_EQ(at(loops, "maximum").count, server::shards_max);
    const JsonValue& workers = at(schema, "definitions/io/properties/disk_workers");
    EXPECT_EQ(at(workers, "default").count, io::BackendOptions().disk_workers);
    EXPECT_EQ(at(workers, "maximum").count, io::disk_workers_max);
    EXPECT_EQ(at(schema, "definitions/tcp_listener/properties/port/default").count,
              nbd::default_port);
}

TEST(ConfigSchema, KnowsEveryKeyThatTheDocumentationExplains) {
    const std::string documentation = support::read_file(DOCS_FOLDER "/configuration.md");
    const JsonValue schema = parsed(CONFIG_FOLDER "/blockd.schema.json");
    const auto expect_explained = [&documentation](const JsonValue& properties) {
        for (const JsonMember& property : properties.members) {
            EXPECT_NE(documentation.find("`" + property.key + "`"), std::string::npos)
                << property.key << " is not explained";
        }
    };
    expect_explained(at(schema, "properties"));
    for (const char* const section :
         {"unix_listener", "tcp_listener", "export", "limits", "io", "log"}) {
        expect_explained(at(schema, "definitions/" + std::string(section) + "/properties"));
    }
}

}  // namespace
}  // namespace blockd::daemon
