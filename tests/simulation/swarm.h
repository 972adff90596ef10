// The parameters of one simulated world, all drawn from its seed: sizes and limits as well as
// faults, for a bug that hides at one size shows at another. Each class of faults is off in one
// half of the seeds, so that no fault hides what another one would show.
//
// Chances are per 10,000 of what they happen to. Times are nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace blockd::simulation {

// A class of IO that a world may make 30 times slower than the others.
enum class SlowClass : uint64_t { none, reads, writes, syncs, holes, receiving, sending, count };

struct Swarm {
    // Work.
    uint64_t operations;  // Client operations, before the world heals.
    uint64_t clients;
    uint64_t depth;  // Requests in flight per client.
    uint64_t request_size_max;
    uint64_t read_weight;
    uint64_t write_weight;
    uint64_t flush_weight;
    uint64_t trim_weight;
    uint64_t zero_weight;
    uint64_t other_weight;  // CACHE, BLOCK_STATUS, zero-length requests.
    uint64_t fua_chance;
    uint64_t hot_chance;  // Goes to the first blocks: overlaps.
    uint64_t maximal_chance;
    uint64_t refused_chance;  // Requests that the protocol forbids.
    uint64_t think_ns;
    uint64_t pipelines_options;

    // The disk.
    uint64_t disk_size;
    uint64_t export_cut;  // Bytes of the disk behind the export's end.
    uint64_t alignment;
    uint64_t hole_alignment;
    uint64_t cell_size;  // What a client writes comes in whole cells, which tell their write.
    uint64_t cell_shift;
    uint64_t can_punch_hole;
    uint64_t can_zero_range;
    uint64_t can_report_extents;
    uint64_t disk_depth;
    uint64_t read_ns;
    uint64_t write_ns;
    uint64_t sync_ns;
    uint64_t slow_class;

    // The server's limits.
    uint64_t connections;
    uint64_t requests_per_connection;
    uint64_t bytes_per_connection;
    uint64_t requests;
    uint64_t spare_buffer_bytes;  // Beyond what the largest request needs.
    uint64_t handshake_timeout_ns;
    uint64_t transfer_timeout_ns;
    uint64_t shutdown_grace_ns;

    uint64_t cache_size;  // Of the export; less than an operator may choose.

    // The loop and the network.
    uint64_t turn_ns;
    uint64_t batch_ns;
    uint64_t delay_ns;
    uint64_t to_server_window;
    uint64_t to_client_window;
    uint64_t partial_receive_chance;
    uint64_t partial_send_chance;

    // Faults of the disk.
    uint64_t read_error_chance;
    uint64_t bad_sector_chance;  // A read error that stays until the sector is written.
    uint64_t write_error_chance;
    uint64_t sync_error_chance;
    uint64_t no_space_chance;
    uint64_t short_transfer_chance;
    uint64_t stall_chance;  // 30 s.
    uint64_t unsupported_hole_chance;
    uint64_t truncation_chance;  // Per turn, of a million.

    // Faults of the network, and clients that misbehave.
    uint64_t reset_chance;  // Per client operation, like the next five.
    uint64_t disconnect_chance;
    uint64_t half_close_chance;
    uint64_t cut_off_chance;  // Hangs up inside a request.
    uint64_t stall_client_chance;
    uint64_t stall_payload_chance;
    uint64_t send_error_chance;  // Per send of the server: no memory, though the client is there.
    uint64_t no_descriptor_chance;  // Per accept.
    uint64_t aborted_accept_chance;
    uint64_t hostile_clients;

    // Ends of the server, per client operation.
    uint64_t kill_chance;
    uint64_t power_cut_chance;
    uint64_t stop_chance;

    static Swarm draw(uint64_t seed);
};

// A parameter by its name, for command lines: read, replace, and what makes it harmless.
struct SwarmParameter {
    std::string_view name;
    uint64_t Swarm::*value;
    bool is_fault;  // 0 switches it off.
};

std::span<const SwarmParameter> swarm_parameters();

}  // namespace blockd::simulation
