// Marks and mutants: points in the server that tests watch, and bend.
//
// A mark counts that a path was taken, so that a campaign of random tests can say which of the
// paths that matter it never reached. A mutant is a deliberate bug, off unless a test switches it
// on: a test that does not notice it would not notice the real one either.
//
// What ships knows neither. They are put into copies of the sources when the tests are built:
// storage.edits and server.edits say where, instrument.py does it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace blockd::probe {

enum class Mark : uint8_t {
    // storage
    flush_joined_next_sync,
    flush_shared_a_sync,
    sync_failed,
    write_refused_after_failed_sync,
    lock_waited,
    lock_granted_later,
    head_block_read,
    tail_block_read,
    one_block_read,
    request_of_many_pieces,
    failed_read_read_again,
    bad_block_found,
    operation_waited_for_its_turn,
    turn_passed_on,
    transfer_was_short,
    hole_punched,
    zeros_written,
    zero_edge_read,
    zeroing_fell_back,
    no_room_for_request,
    read_from_cache,
    cache_evicted,
    lent_block_forgotten,
    stale_read_not_kept,
    read_during_change_not_kept,
    waited_for_read_ahead,
    // server
    request_refused,
    refused_payload_skipped,
    payload_cut_off,
    payload_came_in_parts,
    own_limit_reached,
    waited_in_line,
    reply_partly_sent,
    hole_sent,
    turned_deaf,
    disk_done_after_client_was_gone,
    client_too_slow,
    negotiation_too_slow,
    accepting_rested,
    client_gone_before_accept,
    too_many_connections,
    drained_while_negotiating,
    drained_with_payload_coming,
    lingered_until_hang_up,
    grace_time_over,
    last_sync_failed,
    count,
};

enum class Mutant : uint8_t {
    none,
    // storage
    flush_joins_running_sync,
    flush_not_synced,
    next_sync_not_started,
    sync_error_swallowed,
    sync_retried,
    failed_sync_forgotten,
    write_after_failed_sync,
    read_after_failed_sync_refused,
    fua_ignored,
    fua_of_zeroes_ignored,
    lock_not_taken,
    lock_released_before_write,
    lock_overtakes,
    lock_kept_on_error,
    write_lost_behind_lock,
    write_error_swallowed,
    read_error_swallowed,
    bad_block_swallowed,
    half_of_failed_read_is_enough,
    last_piece_decides,
    short_transfer_is_whole,
    head_block_not_read,
    tail_block_not_read,
    trim_rounds_outward,
    zero_edges_skipped,
    zero_error_swallowed,
    turn_lost,
    stale_read_kept,
    zeroed_block_stays_cached,
    changed_tail_stays_cached,
    read_ahead_waiter_forgotten,
    // server
    buffer_returned_early,
    zeros_judged_by_head,
    payload_taken_early,
    payload_cut_off_is_written,
    slot_leaked_on_disconnect,
    line_not_woken,
    own_limit_not_lifted,
    own_request_limit_ignored,
    own_memory_limit_ignored,
    accept_not_resumed,
    deadline_lost_on_cancel,
    disconnect_drops_requests,
    stop_skips_sync,
    partial_send_taken_for_whole,
    error_reply_to_other_cookie,
    count,
};

// Of one thread: the loop's.
inline std::array<uint64_t, size_t(Mark::count)> mark_hits{};
inline Mutant active_mutant = Mutant::none;

inline void mark(Mark mark) { ++mark_hits[size_t(mark)]; }
inline bool is_active(Mutant mutant) { return active_mutant == mutant; }

}  // namespace blockd::probe
