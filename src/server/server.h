// An NBD server: listeners, exports, and the clients, of which each loop has its share.
//
//     Server server({&loop, ...}, log, {.limits = ..., .exports = ...});
//     a thread for each loop but the first: flush() until nothing is in flight
//     server.listen({.address = ...});           as often as there are listeners
//     loop.run_for_ns(...) ...
//     server.stop(bind<...>(this));              drains: see below
//
// Runs on the first loop's thread, which listens, and hands the clients round: see Shard. Destroyed
// only after stop() has called back and the other threads have ended.
#pragma once

#include <blockd/error.h>
#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/mailbox.h"
#include "server/export_table.h"
#include "server/limits.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/shard.h"
#include "storage/disk_request.h"
#include "storage/disk_scheduler.h"

namespace blockd::server {

struct ServerOptions {
    Limits limits;
    std::vector<ExportOptions> exports;
    bool allow_list = true;  // Clients may ask what exports there are.
};

// How a drain ended.
struct StopReport {
    // Every disk operation was finished, and every export synced, in time. Clients may have been
    // cut off all the same, without the replies to requests of theirs: the log counts them.
    bool is_clean = true;
    uint32_t failed_exports = 0;  // Exports whose sync failed, now or earlier.
};

class Server {
  public:
    // The loops do not run yet, or are the caller's. `log` is written to by all of them.
    Server(std::span<io::Loop* const> loops, Log& log, const ServerOptions& options);
    Server(io::Loop& loop, Log& log, const ServerOptions& options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Starts to accept connections. Returns the address that was bound, with the port that the
    // system chose when 0 was asked for.
    Result<io::Address> listen(const io::ListenOptions& options);

    // Stops accepting, lets negotiating clients go with ERR_SHUTDOWN, finishes what is in flight,
    // closes every connection, syncs every export, and calls back. Half of
    // limits.shutdown_grace_ns is for clients: who is not done by then is disconnected. After all
    // of it, it calls back all the same, with what is unfinished still in
    // flight: then the process has to end without destroying the server or the loop.
    void stop(io::Callback<StopReport> done);

    // Ends the grace time of a running stop() now.
    void stop_now();

    size_t connection_count() const;

  private:
    void accepted(io::Fd socket);
    void listener_stopped(Listener* listener);
    void shard_emptied(Shard* shard);
    void shard_closed(Shard* shard);
    void sync_next_export();
    void ahead_stopped(Result<Ok> result);
    void read_ahead_stopped(Result<Ok> result);
    void sync_done(Result<Ok> result);
    void clients_grace_done(Result<Ok> result);
    void grace_done(Result<Ok> result);
    bool is_finished() const;
    void log_caches();
    void finish_stop();
    void close_shards();
    std::string client_name(io::Fd socket);

    io::Loop& loop_;
    Log& log_;
    const Limits limits_;
    ExportTable exports_;
    std::vector<std::unique_ptr<Shard>> shards_;  // The first is of the server's own loop.
    std::vector<std::unique_ptr<Listener>> listeners_;
    uint64_t connections_accepted_ = 0;

    // Set by stop().
    io::Callback<StopReport> stopped_;
    StopReport report_;
    io::Completion grace_timer_;
    size_t exports_synced_ = 0;
    storage::Flow sync_flow_;
    storage::DiskRequest sync_request_;
    io::Letter ahead_letter_;
    size_t shards_closed_ = 0;
    bool is_stopping_ = false;
    bool is_syncing_ = false;
    bool is_stopped_ = false;
};

}  // namespace blockd::server
