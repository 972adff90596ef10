// What the parts of one simulated world share: its parameters, its clock, its events, and the first
// thing that went wrong in it.
#pragma once

#include <cstdint>
#include <string>

#include "simulation/event_queue.h"
#include "simulation/fault_log.h"
#include "simulation/history.h"
#include "simulation/swarm.h"

namespace blockd::simulation {

// How often what happened; a world's contribution to a campaign's figures.
struct Figures {
    uint64_t client_operations = 0;
    uint64_t operations_answered = 0;
    uint64_t bytes_written = 0;
    uint64_t bytes_read = 0;
    uint64_t disk_operations = 0;
    uint64_t connections = 0;
    uint64_t read_errors = 0;
    uint64_t write_errors = 0;
    uint64_t sync_errors = 0;
    uint64_t no_space_errors = 0;
    uint64_t short_transfers = 0;
    uint64_t stalls = 0;
    uint64_t truncations = 0;
    uint64_t failed_sends = 0;
    uint64_t connections_cut = 0;
    uint64_t stalled_clients = 0;
    uint64_t hostile_connections = 0;
    uint64_t kills = 0;
    uint64_t power_cuts = 0;
    uint64_t stops = 0;
    uint64_t virtual_seconds = 0;
    uint64_t turns = 0;
};

struct Surroundings {
    Surroundings(const Swarm& drawn, uint64_t world_seed)
        : swarm(drawn),
          seed(world_seed),
          events(world_seed),
          history({.disk_size = drawn.disk_size - drawn.export_cut,
                   .cell_size = drawn.cell_size,
                   .shift = drawn.cell_shift}) {}

    // The first complaint counts; the world ends soon.
    void complain(const std::string& text) {
        if (complaint.empty()) complaint = text;
    }
    bool is_broken() const { return !complaint.empty(); }

    // The trace of all that happens, as one number: two runs of a seed must agree on it.
    void trace(uint64_t value) {
        trace_hash = (trace_hash ^ value) * 0x100000001b3 + (trace_hash >> 47);
    }

    const Swarm swarm;
    const uint64_t seed;
    uint64_t now_ns = 1'000'000'000;
    EventQueue events;
    History history;
    Figures figures;
    std::string complaint;
    uint64_t trace_hash = 0xcbf29ce484222325;
    bool is_healed = false;  // No more faults.
    uint64_t operation_serial = 0;

    // What errors a server has an excuse for.
    FaultLog faults;
    uint64_t sync_faults = 0;
    uint64_t sync_faults_before = 0;  // When the server was started.

    bool has_sync_failed = false;  // The server was told so.
    Moment sync_failed_at = 0;
};

}  // namespace blockd::simulation
