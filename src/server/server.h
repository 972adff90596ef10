// An NBD server: listeners, connections and exports on one loop.
//
//     Server server(loop, log, {.limits = ..., .exports = ...});
//     server.listen({.address = ...});           as often as there are listeners
//     loop.run_for_ns(...) ...
//     server.stop(bind<...>(this));              drains: see below
//
// Runs on the loop's thread. Destroyed only after stop() has called back.
#pragma once

#include <blockd/error.h>
#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/limits.h"
#include "server/log.h"

namespace blockd::server {

struct ExportOptions {
    std::string name;         // At most nbd::string_size_max bytes of UTF-8, unique.
    std::string description;
    bool is_default = false;  // A client that asks for the empty name gets it; at most one.
    bool is_read_only = false;
    uint64_t size = 0;        // Bytes, at most file.size; 0: all of the file.
    io::DataFile file;        // Opened by the caller, who closes it after the server is gone.
};

struct ServerOptions {
    Limits limits;
    std::vector<ExportOptions> exports;
};

// How a drain ended.
struct StopReport {
    bool is_clean = true;          // Everything in flight was finished and synced in time.
    uint32_t failed_exports = 0;   // Exports whose sync failed, now or earlier.
};

class Server {
  public:
    Server(io::Loop& loop, Log& log, ServerOptions options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Starts to accept connections. Returns the address that was bound, with the port that the
    // system chose when 0 was asked for.
    Result<io::Address> listen(const io::ListenOptions& options);

    // Stops accepting, lets negotiating clients go with ERR_SHUTDOWN, finishes what is in flight,
    // syncs every export, closes every connection, and calls back. What is not finished after
    // limits.shutdown_grace_ns is cut off.
    void stop(io::Callback<StopReport> done);

    // Ends the grace time of a running stop() now.
    void stop_now();

    size_t connection_count() const;
};

}  // namespace blockd::server
