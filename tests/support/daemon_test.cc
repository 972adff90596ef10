#include "support/daemon_test.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace blockd::support {
namespace {

// Paths and names of tests hold nothing that JSON would have to escape.
std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
}

std::string export_json(const ExportConfig& entry) {
    std::vector<std::string> members = {"\"name\": " + quoted(entry.name),
                                        "\"file\": " + quoted(entry.file)};
    if (!entry.description.empty()) {
        members.push_back("\"description\": " + quoted(entry.description));
    }
    if (entry.is_read_only) members.push_back("\"read_only\": true");
    if (entry.is_default) members.push_back("\"default\": true");
    return "{" + joined(members) + "}";
}

}  // namespace

std::string chosen_backend() {
    const char* const chosen = getenv("BLOCKD_BACKEND");
    return chosen == nullptr ? "auto" : chosen;
}

uint32_t chosen_loops() {
    const char* const chosen = getenv("BLOCKD_LOOPS");
    return chosen == nullptr ? 1 : static_cast<uint32_t>(std::stoul(chosen));
}

std::string DaemonConfig::json() const {
    std::vector<std::string> listeners = {"{\"unix\": " + quoted(unix_path) + "}"};
    if (tcp_port != 0) {
        const std::string port = "\"port\": " + std::to_string(tcp_port);
        listeners.push_back("{\"tcp\": \"127.0.0.1\", " + port + "}");
        listeners.push_back("{\"tcp\": \"::1\", " + port + "}");
    }
    std::vector<std::string> entries;
    for (const ExportConfig& entry : exports) entries.push_back(export_json(entry));
    std::vector<std::string> io = {"\"backend\": " + quoted(backend),
                                   "\"loops\": " + std::to_string(loops)};
    if (disk_workers > 0) io.push_back("\"disk_workers\": " + std::to_string(disk_workers));
    std::vector<std::string> members = server;
    members.push_back("\"io\": {" + joined(io) + "}");
    members.push_back("\"listeners\": [" + joined(listeners) + "]");
    members.push_back("\"exports\": [" + joined(entries) + "]");
    if (!limits.empty()) members.push_back("\"limits\": {" + joined(limits) + "}");
    return "{" + joined(members) + "}\n";
}

bool is_memory_measurable() {
    const char* const sanitizer = getenv("BLOCKD_SANITIZER");
    return sanitizer == nullptr || std::string(sanitizer) == "none";
}

DaemonTest::DaemonTest() {
    config.unix_path = directory.file("socket");
    make_sparse_file(file("disk"), disk_size);
    make_sparse_file(file("other"), other_size);
    write_file(file("fixed"), pattern(fixed_size, fixed_seed));
    config.exports = {
        {.name = "disk", .file = file("disk"), .description = "the first disk", .is_default = true},
        {.name = "other", .file = file("other")},
        {.name = "fixed", .file = file("fixed"), .is_read_only = true},
    };
}

void DaemonTest::start() {
    if (daemon.is_running()) {
        EXPECT_EQ(daemon.terminate(), 0) << daemon.log();
    }
    const std::string path = directory.file("blockd.json");
    std::filesystem::remove(path);
    write_file(path, config.json());
    daemon.start({"--config", path});
    ASSERT_TRUE(daemon.wait_until_ready(endpoint()));
}

void DaemonTest::restart() {
    daemon.kill_now();
    start();
}

void DaemonTest::TearDown() {
    if (IsSkipped()) return;
    EXPECT_TRUE(daemon.is_running()) << "the daemon died; it said:\n" << daemon.log();
    EXPECT_EQ(daemon.terminate(), 0) << daemon.log();
    if (HasFailure()) std::cout << "the daemon's log:\n" << daemon.log();
}

WireClient DaemonTest::attach(const std::string& name) const {
    WireClient client = connect();
    client.attach(name);
    return client;
}

WireClient DaemonTest::attach_structured(const std::string& name) const {
    WireClient client = connect();
    client.attach_structured(name);
    return client;
}

void DaemonTest::add_export(const std::string& name, uint64_t size) {
    make_sparse_file(file(name), size);
    config.exports.push_back({.name = name, .file = file(name)});
}

void DaemonTest::expect_service() const {
    WireClient client = attach("");
    EXPECT_TRUE(client.read(0, 4096).is_ok()) << "the daemon serves others";
}

void DaemonTest::expect_in_step(WireClient& client) {
    const Answer answer = client.read(0, 512);
    EXPECT_TRUE(answer.is_ok()) << "the connection is in step";
    EXPECT_EQ(answer.data.size(), 512u);
}

void DaemonTest::expect_option_in_step(WireClient& client) {
    const ExportFacts facts = client.ask_info(wire::opt_info, "disk");
    EXPECT_TRUE(facts.is_granted) << "the negotiation is in step";
    EXPECT_EQ(facts.size, disk_size);
}

}  // namespace blockd::support
