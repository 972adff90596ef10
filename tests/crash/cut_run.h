// Runs of a real blockd that records: what the clients asked for, the record, and the disk before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crash/cut_disk.h"
#include "crash/cut_log.h"
#include "support/daemon_process.h"
#include "support/record_reader.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::crash {

inline constexpr std::string_view recorded_export = "disk";

// What the requests of a run are like; drawn from its seed.
struct Workload {
    uint64_t image_size = 0;
    uint32_t connections = 0;
    uint32_t depth = 0;  // Requests in flight, of each connection.
    uint32_t requests = 0;
    uint32_t flush_percent = 0;
    uint32_t fua_percent = 0;
    uint32_t zero_percent = 0;
    uint32_t trim_percent = 0;
    uint32_t unaligned_percent = 0;
    uint32_t hot_percent = 0;  // Of requests to a few blocks, which overlap.
    uint64_t size_max = 0;
};
Workload draw_workload(Random& random);
std::string text_of(const Workload& workload);

struct RecordedRun {
    std::string fault;  // Why there is none.
    std::string initial;
    ClientLog log;
    support::Record record;
    std::string record_bytes;  // As it lay in the file.
};

// The daemon that records, on a disk with `initial` in it.
class RecordedDaemon {
  public:
    explicit RecordedDaemon(std::string initial);

    bool is_ready() const { return is_ready_; }
    support::WireClient connect() const;

    // Ends it and reads its record.
    RecordedRun finish(ClientLog log) &&;

  private:
    const std::string initial_;
    const support::TemporaryDirectory folder_;
    support::DaemonProcess process_;
    bool is_ready_ = false;
};

// Sends a request, or takes one answer, and notes when.
class LoggedClient {
  public:
    LoggedClient(support::WireClient client, ClientLog& log, uint64_t& clock)
        : client_(std::move(client)), log_(&log), clock_(&clock) {}

    uint32_t in_flight() const { return in_flight_; }
    bool is_broken() const { return client_.is_broken(); }
    bool has_answer() { return in_flight_ > 0 && client_.has_input(); }
    void send(LoggedRequest request);
    void take_answer();  // Waits for one.

  private:
    support::WireClient client_;
    ClientLog* log_;
    uint64_t* clock_;
    uint32_t in_flight_ = 0;
};

// A random run. Which requests there are and on which connection depends on `random` alone; which
// of them overtake each other is the system's.
RecordedRun run_workload(const Workload& workload, Random& random);

}  // namespace blockd::crash
