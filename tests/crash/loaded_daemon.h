// blockd on one file, and clients that load it: half of them over TCP, the others over a unix
// socket, and every other one with structured replies. File and records live on from one daemon to
// the next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "crash/load_connection.h"
#include "crash/region_record.h"
#include "support/daemon_process.h"
#include "support/daemon_test.h"
#include "support/temporary_directory.h"

namespace blockd::crash {

class LoadedDaemon {
  public:
    struct Options {
        uint32_t connection_count = 4;
        uint64_t region_size = 4 * support::mebibyte;
        uint64_t spare_size = 0;  // Of the disk, behind the regions, for others to write.
        bool has_tcp = true;
        bool may_fail = false;
        int32_t reply_timeout_ms = support::WireClient::timeout_ms_default;
        uint64_t request_size_max = 2 * support::mebibyte;
        std::vector<std::string> limits = {};  // JSON members.
        std::string backend = support::chosen_backend();
        uint32_t disk_workers = 0;  // 0 leaves the default.
    };

    explicit LoadedDaemon(const Options& options);

    // False, with a failure of the test, when it does not come up.
    bool start();
    void start_only() { daemon.start({"--config", directory.file("blockd.json")}); }

    void add_clients(uint64_t seed);  // Anew, and not attached.
    void connect(uint64_t seed);      // The same, attached.
    void start_load();                // A thread for each.
    void wait_for_load();             // Until all of them have ended.

    // Reads all regions through the running daemon, at a time, and judges them.
    void verify(uint64_t seed);

    std::vector<std::string> take_violations();
    const LoadCounts& counts() const { return counts_; }
    std::vector<std::unique_ptr<LoadConnection>>& clients() { return clients_; }
    support::Endpoint endpoint() const { return {.unix_path = config_.unix_path}; }
    support::Endpoint tcp_endpoint() const { return {.unix_path = {}, .port = config_.tcp_port}; }
    uint64_t spare_offset() const { return options_.connection_count * options_.region_size; }
    std::string disk_path() const { return directory.file("disk.img"); }

    support::TemporaryDirectory directory;
    support::DaemonProcess daemon{directory.file("log")};

  private:
    std::unique_ptr<LoadConnection> new_client(uint32_t index, uint64_t seed);
    void collect();  // What the clients found; they are gone then.

    const Options options_;
    support::DaemonConfig config_;
    std::vector<RegionRecord> records_;
    std::vector<std::unique_ptr<LoadConnection>> clients_;
    std::vector<std::thread> threads_;
    LoadCounts counts_;
    std::vector<std::string> violations_;
};

}  // namespace blockd::crash
