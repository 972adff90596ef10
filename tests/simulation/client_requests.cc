// What a client asks for.
#include <blockd/assert.h>

#include <algorithm>
#include <bit>

#include "simulation/client.h"

namespace blockd::simulation {

namespace wire = support::wire;

namespace {

constexpr uint64_t unsent_size_max = 256u << 10;
constexpr uint32_t unknown_command = 99;
constexpr uint64_t hot_cells = 24;
constexpr uint64_t read_all_size = 64u << 10;

}  // namespace

void Client::issue() {
    const Swarm& swarm = surroundings_.swarm;
    uint32_t slot = 0;
    while (outstanding_count_ < swarm.depth) {
        if (is_finishing_ && outstanding_count_ >= operations_left_) return;
        const bool is_enough = surroundings_.figures.client_operations >= swarm.operations;
        if (is_enough && !reads_all_ && !is_finishing_) return;
        if (network_.unsent_size(connection_) > unsent_size_max) return;
        while (requests_[slot].is_outstanding) ++slot;
        Request& request = requests_[slot];
        request = {};
        request.cookie = (++cookie_serial_ << 16) | slot;
        if (!choose(request)) return;
        ++surroundings_.figures.client_operations;
        ++outstanding_count_;
        request.is_outstanding = true;
        send_request(request);
        if (swarm.think_ns > 0) return schedule(random_.below(2 * swarm.think_ns));
    }
}

// Whole cells: how many, each power of two equally often.
void Client::choose_cells(Request& request, uint64_t size_max) {
    const Swarm& swarm = surroundings_.swarm;
    const History& history = surroundings_.history;
    const uint64_t most = std::clamp<uint64_t>(size_max / swarm.cell_size, 1, history.cell_count());
    const uint64_t count = random_.logarithmic(1, most);
    const uint64_t begins = history.cell_count() - count + 1;
    const bool is_hot = random_.chance(swarm.hot_chance, 10'000);
    const uint64_t first = random_.below(is_hot ? std::min(begins, hot_cells) : begins);
    request.offset = history.offset_of(first);
    request.size = uint32_t(count * swarm.cell_size);
}

void Client::choose_flags(Request& request) {
    const bool has_fua = random_.chance(surroundings_.swarm.fua_chance, 10'000);
    switch (request.command) {
        case wire::cmd_write:
        case wire::cmd_trim:
            if (has_fua) request.flags |= wire::flag_fua;
            return;
        case wire::cmd_write_zeroes:
            if (has_fua) request.flags |= wire::flag_fua;
            if (random_.coin()) request.flags |= wire::flag_no_hole;
            if ((export_flags_ & wire::send_fast_zero) != 0 && random_.chance(1, 4)) {
                request.flags |= wire::flag_fast_zero;
            }
            return;
        case wire::cmd_read:
            if (is_structured_ && random_.chance(1, 4)) request.flags |= wire::flag_df;
            return;
        case wire::cmd_block_status:
            if (random_.coin()) request.flags |= wire::flag_req_one;
            return;
        default: return;
    }
}

// False once every byte has been read. No request is larger than those of the world: a slow network
// would not carry as many of them in time, and the server rightly take the client for one that
// stalls.
bool Client::choose_next_of_all(Request& request) {
    if (read_all_offset_ >= export_size_) {
        if (outstanding_count_ == 0) read_all_offset_ = all_read;
        return false;
    }
    request.command = wire::cmd_read;
    request.offset = read_all_offset_;
    request.size = uint32_t(std::min(
        {export_size_ - read_all_offset_, read_all_size, surroundings_.swarm.request_size_max}));
    read_all_offset_ += request.size;
    return true;
}

// False: nothing now.
bool Client::choose(Request& request) {
    const Swarm& swarm = surroundings_.swarm;
    if (reads_all_) return choose_next_of_all(request);
    if (random_.chance(swarm.refused_chance, 10'000)) {
        choose_refused(request);
        return true;
    }
    const uint64_t size_max =
        random_.chance(swarm.maximal_chance, 10'000) ? uint64_t(32) << 20 : swarm.request_size_max;
    choose_cells(request, size_max);
    choose_command(request);
    const bool is_whole = random_.chance(1, 50);
    const bool is_zeroing =
        request.command == wire::cmd_trim || request.command == wire::cmd_write_zeroes;
    if (is_whole && is_zeroing) {
        request.offset = 0;
        request.size = uint32_t(export_size_);
    }
    // Reads begin and end anywhere.
    if (request.command == wire::cmd_read && request.size > 0 && random_.coin()) {
        const uint64_t skipped = random_.below(std::min<uint64_t>(request.size, 4096));
        request.offset += skipped;
        request.size -= uint32_t(skipped);
    }
    choose_flags(request);
    return true;
}

void Client::choose_command(Request& request) {
    const Swarm& swarm = surroundings_.swarm;
    const uint64_t weights[] = {swarm.read_weight, swarm.write_weight, swarm.flush_weight,
                                swarm.trim_weight, swarm.zero_weight,  swarm.other_weight};
    uint64_t sum = 0;
    for (const uint64_t weight : weights) sum += weight;
    uint64_t drawn = random_.below(sum);
    size_t kind = 0;
    while (drawn >= weights[kind]) drawn -= weights[kind++];
    constexpr uint16_t commands[] = {wire::cmd_read, wire::cmd_write,        wire::cmd_flush,
                                     wire::cmd_trim, wire::cmd_write_zeroes, wire::cmd_cache};
    request.command = commands[kind];
    if (request.command == wire::cmd_cache) {
        const bool has_status = is_structured_ && context_id_ != 0;
        if (has_status && random_.coin()) {
            request.command = wire::cmd_block_status;
        } else if (random_.coin()) {
            request.command = wire::cmd_read;
            request.size = 0;
        }
    }
    const bool can_trim = (export_flags_ & wire::send_trim) != 0;
    if (request.command == wire::cmd_trim && !can_trim) request.command = wire::cmd_flush;
    if (request.command == wire::cmd_flush) request.offset = request.size = 0;
}

// What the protocol forbids, and a server has to refuse without any other harm.
void Client::choose_refused(Request& request) {
    request.must_fail = true;
    request.size = uint32_t(random_.between(1, 4096));
    switch (random_.below(5)) {
        case 0:
            request.command = wire::cmd_read;
            request.offset = export_size_ - random_.below(request.size);
            return;
        case 1:
            request.command = wire::cmd_write;
            request.offset = export_size_ - random_.below(request.size);
            return;
        case 2: request.command = unknown_command; return;
        case 3:
            request.command = wire::cmd_write_zeroes;
            request.offset = ~uint64_t(0) - random_.below(1u << 16);
            return;
        default:
            request.command = wire::cmd_trim;
            request.flags = 1 << 9;
            return;
    }
}

void Client::send_request(Request& request) {
    History& history = surroundings_.history;
    const bool has_payload = request.command == wire::cmd_write;
    if (!request.must_fail && request.size > 0) {
        if (has_payload) {
            request.write = history.begin_write(WriteKind::data, request.offset, request.size);
        } else if (request.command == wire::cmd_write_zeroes) {
            request.write = history.begin_write(WriteKind::zeroes, request.offset, request.size);
        } else if (request.command == wire::cmd_trim) {
            request.write = history.begin_write(WriteKind::trim, request.offset, request.size);
        }
    }
    request.sent = history.next_moment();
    const std::string head = support::request_bytes({.command = request.command,
                                                     .flags = request.flags,
                                                     .cookie = request.cookie,
                                                     .offset = request.offset,
                                                     .size = request.size});
    network_.send(connection_, std::as_bytes(std::span(head)));
    sent_size_ += head.size();
    if (has_payload) {
        payload_.resize(request.size);
        if (request.write != 0) history.fill(request.write, payload_);
        network_.send(connection_, payload_);
        sent_size_ += request.size;
        surroundings_.figures.bytes_written += request.size;
    }
    request.stream_end = sent_size_;
}

// Every error has to have its excuse: a fault that met the request's own blocks, or a sync that has
// failed.
void Client::judge_error(const Request& request, uint32_t error) {
    if (request.must_fail) {
        if (error == wire::einval || error == wire::enospc) return;
        return complain("got error " + std::to_string(error) + " for a request that is forbidden");
    }
    if (error == wire::enotsup && (request.flags & wire::flag_fast_zero) != 0) return;
    const bool is_read =
        request.command == wire::cmd_read || request.command == wire::cmd_block_status;
    const auto has_met = [&](FaultKind kind) {
        return surroundings_.faults.has_met(kind, request.offset, request.size, request.sent);
    };
    const bool is_latched = !is_read && surroundings_.sync_faults > sync_faults_before_;
    // A write reads the blocks that it covers in part.
    if (error == wire::eio && (is_latched || has_met(FaultKind::read))) return;
    if (error == wire::eio && !is_read && has_met(FaultKind::change)) return;
    if (error == wire::enospc && !is_read && has_met(FaultKind::no_space)) return;
    complain("got error " + std::to_string(error) + " for command " +
             std::to_string(request.command) + " at offset " + std::to_string(request.offset) +
             " though nothing there had failed");
}

// The last that is said of a request.
void Client::answer(Request& request, uint32_t error) {
    History& history = surroundings_.history;
    ++surroundings_.figures.operations_answered;
    surroundings_.trace(request.cookie ^ uint64_t(error) << 48);
    request.is_outstanding = false;
    --outstanding_count_;
    const bool is_change = request.write != 0;
    if (error != 0) {
        judge_error(request, error);
        if (is_change) history.write_settled(request.write);
    } else if (request.must_fail) {
        complain("was granted a request that the protocol forbids");
    } else {
        const bool is_late =
            surroundings_.has_sync_failed && request.sent > surroundings_.sync_failed_at;
        if (is_late && (is_change || request.command == wire::cmd_flush)) {
            complain("was told that a write or flush succeeded, after a sync had failed");
        }
        if (is_change) history.write_succeeded(request.write);
        if (is_change && (request.flags & wire::flag_fua) != 0) {
            history.write_is_durable(request.write);
        }
        if (request.command == wire::cmd_flush) history.flush_succeeded(request.sent);
    }
    if (is_finishing_ && operations_left_ > 0) --operations_left_;
    if (is_finishing_ && operations_left_ == 0 && outstanding_count_ == 0) return leave();
    if (stall_ == Stall::none && !is_act_scheduled_) {
        const uint64_t think_ns = surroundings_.swarm.think_ns;
        schedule(think_ns > 0 ? random_.below(2 * think_ns) : 0);
    }
}

}  // namespace blockd::simulation
