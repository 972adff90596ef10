// The clients of one loop: their connections, the request memory and the slots that these share,
// and the loop's way to the disks.
//
// Runs on its loop's thread. The server calls it from its own, except where said otherwise: what it
// asks for is done there, at once when both are the same, else a little later and in order.
#pragma once

#include <blockd/io/loop.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/mailbox.h"
#include "server/admission.h"
#include "server/connection.h"
#include "server/export_table.h"
#include "server/limits.h"
#include "server/log.h"
#include "storage/disk_lane.h"
#include "storage/disk_scheduler.h"

namespace blockd::server {

class Shard {
  public:
    struct Options {
        Limits limits;                 // Its share: see share_of().
        io::Callback<Shard*> emptied;  // On the server's loop: its last connection has ended.
        io::Callback<Shard*> closed;   // On the server's loop.
        io::Mailbox* home = nullptr;   // The server's; nullptr: this shard's own is.
    };

    // Before the loop runs, or on its thread.
    Shard(io::Loop& loop, Log& log, ExportTable& exports, const Options& options);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    const storage::DiskLane& lane() const { return lane_; }
    io::Mailbox& mailbox() { return mailbox_; }

    // A client. `id` and `client` name it in the log.
    void take(io::Fd socket, uint64_t id, const std::string& client);

    // Connections that were given to it and have not ended.
    uint32_t connection_count() const { return count_.load(std::memory_order_acquire); }

    // Connections finish what is in flight, those that come later too.
    void drain();

    // They end at once.
    void disconnect();

    // Once all shards are empty; `closed` follows. Its loop then has nothing in flight.
    void close();

  private:
    struct Arrival;

    void tell(io::Letter& letter);
    void begin(const Arrival& arrival);
    void make_room(Connection& newest);
    void connection_ended(Connection* connection);
    void drain_now(Result<Ok> result);
    void disconnect_now(Result<Ok> result);
    void close_now(Result<Ok> result);
    void mailbox_closed(Result<Ok> result);
    void tell_emptied(Result<Ok> result);
    void tell_closed(Result<Ok> result);

    io::Loop& loop_;
    Log& log_;
    const Options options_;
    io::Mailbox mailbox_;
    Admission admission_;
    storage::DiskScheduler scheduler_;
    const storage::DiskLane lane_;
    NegotiatingList negotiating_;
    ConnectionContext context_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::atomic<uint32_t> count_ = 0;
    bool is_draining_ = false;

    io::Letter drain_letter_;
    io::Letter disconnect_letter_;
    io::Letter close_letter_;
    io::Letter closed_letter_;
    io::Letter emptied_letter_;
    std::atomic<bool> is_emptied_posted_ = false;
};

}  // namespace blockd::server
