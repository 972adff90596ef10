// The fixture of tests against the live daemon: one daemon per test, in a folder of its own, with
// three exports. At the end the daemon must still be alive, and must leave on SIGTERM with exit
// code 0.
//
//   name    size     what
//   disk    64 MiB   the default export, described as "the first disk"; a hole at first
//   other   16 MiB   not described; a hole at first
//   fixed   2 MiB    read-only; pattern(fixed_size, fixed_seed)
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/daemon_process.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::support {

struct ExportConfig {
    std::string name;
    std::string file;
    std::string description = {};
    bool is_read_only = false;
    bool is_default = false;
};

// The IO backend that this run of the tests is about: the environment's BLOCKD_BACKEND, or "auto".
std::string chosen_backend();

// How many loops: the environment's BLOCKD_LOOPS, or 1.
uint32_t chosen_loops();

// A configuration file, with what tests want to choose. Empty strings leave the default.
struct DaemonConfig {
    std::string unix_path;
    uint16_t tcp_port = 0;  // On 127.0.0.1 and on [::1]; 0: none.
    std::vector<ExportConfig> exports;
    std::vector<std::string> limits;  // JSON members: "\"connections\": 4".
    std::vector<std::string> server;  // JSON members of the top level.
    std::string backend = chosen_backend();
    uint32_t loops = chosen_loops();
    uint32_t disk_workers = 0;  // 0 leaves the default.

    std::string json() const;
};

// Whether the program was built with a sanitizer, whose own memory hides the daemon's.
bool is_memory_measurable();

class DaemonTest : public ::testing::Test {
  protected:
    static constexpr uint64_t disk_size = 64 * mebibyte;
    static constexpr uint64_t other_size = 16 * mebibyte;
    static constexpr uint64_t fixed_size = 2 * mebibyte;  // Small: each test writes it anew.
    static constexpr uint32_t fixed_seed = 77;

    DaemonTest();

    // Change `config` in the constructor of a derived fixture, or call start() again.
    void SetUp() override { start(); }
    void TearDown() override;

    void start();    // Ends a running daemon, and starts one on `config`.
    void restart();  // The same, but with SIGKILL.

    WireClient connect() const { return WireClient(endpoint()); }
    WireClient attach(const std::string& name = "disk") const;             // Simple replies.
    WireClient attach_structured(const std::string& name = "disk") const;  // And base:allocation.
    Endpoint endpoint() const { return {.unix_path = config.unix_path}; }
    std::string file(const std::string& name) const { return directory.file(name + ".img"); }

    // Adds an export over a sparse file of that size. Call start() afterwards.
    void add_export(const std::string& name, uint64_t size);

    // A new client reads the first block of the default export: the daemon lives and serves.
    void expect_service() const;

    // A following command on this connection is answered.
    static void expect_in_step(WireClient& client);

    // A following option on this connection is answered.
    static void expect_option_in_step(WireClient& client);

    TemporaryDirectory directory;
    DaemonConfig config;
    DaemonProcess daemon{directory.file("log")};
};

}  // namespace blockd::support
