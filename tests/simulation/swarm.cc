#include "simulation/swarm.h"

#include <algorithm>
#include <array>

#include "simulation/random.h"

namespace blockd::simulation {
namespace {

constexpr uint64_t kibibyte = 1024;
constexpr uint64_t mebibyte = 1024 * kibibyte;
constexpr uint64_t microsecond = 1'000;
constexpr uint64_t millisecond = 1'000'000;
constexpr uint64_t second = 1'000'000'000;

void draw_work(Swarm& swarm, Random& random) {
    swarm.operations = random.between(1'000, 20'000);
    swarm.clients = random.between(1, 8);
    swarm.depth = random.logarithmic(1, 64);
    swarm.read_weight = random.between(1, 10);
    swarm.write_weight = random.between(1, 10);
    swarm.flush_weight = random.coin() ? random.between(1, 4) : 0;
    swarm.trim_weight = random.coin() ? random.between(1, 3) : 0;
    swarm.zero_weight = random.coin() ? random.between(1, 3) : 0;
    swarm.other_weight = random.coin() ? 1 : 0;
    swarm.fua_chance = random.coin() ? random.logarithmic(10, 5'000) : 0;
    swarm.hot_chance = random.coin() ? random.logarithmic(100, 9'000) : 0;
    swarm.refused_chance = random.coin() ? random.logarithmic(1, 500) : 0;
    swarm.think_ns = random.coin() ? random.logarithmic(1 * microsecond, 10 * millisecond) : 0;
    swarm.pipelines_options = random.below(2);
}

void draw_disk(Swarm& swarm, Random& random) {
    const bool is_large = random.chance(1, 25);  // Requests of many pieces.
    swarm.disk_size =
        is_large ? random.logarithmic(4, 64) * mebibyte : random.logarithmic(4, 512) * 4 * kibibyte;
    swarm.alignment = random.coin() ? 512 : 4 * kibibyte;
    swarm.hole_alignment = std::max<uint64_t>(swarm.alignment, uint64_t(512) << random.below(6));
    swarm.export_cut = random.coin() ? random.below(4 * kibibyte) : 0;
    constexpr std::array<uint64_t, 4> small_cells = {32, 32, 64, 512};
    swarm.cell_size = is_large || swarm.disk_size > 512 * kibibyte
                          ? 512
                          : small_cells[random.below(small_cells.size())];
    swarm.cell_shift = swarm.cell_size < 512 && random.coin() ? random.below(swarm.cell_size) : 0;
    swarm.maximal_chance = is_large ? 50 : 0;
    swarm.operations = is_large ? std::min<uint64_t>(swarm.operations, 1'000) : swarm.operations;
    const uint64_t largest =
        std::min<uint64_t>(swarm.disk_size / 2, is_large ? 3 * mebibyte : 128 * kibibyte);
    swarm.request_size_max = random.logarithmic(std::min(swarm.cell_size * 2, largest), largest);
    swarm.can_punch_hole = random.chance(3, 4);
    swarm.can_zero_range = random.chance(3, 4);
    swarm.can_report_extents = random.chance(3, 4);
    swarm.disk_depth = random.logarithmic(1, 32);
    swarm.read_ns = random.logarithmic(1 * microsecond, 2 * millisecond);
    swarm.write_ns = random.logarithmic(1 * microsecond, 2 * millisecond);
    swarm.sync_ns = random.logarithmic(1 * microsecond, 20 * millisecond);
    swarm.slow_class = random.coin() ? random.below(uint64_t(SlowClass::count)) : 0;
}

void draw_limits(Swarm& swarm, Random& random) {
    swarm.connections = random.coin() ? random.between(swarm.clients, 16) : random.between(2, 16);
    swarm.requests_per_connection = random.logarithmic(1, 128);
    swarm.bytes_per_connection = random.logarithmic(64 * kibibyte, 8 * mebibyte);
    swarm.requests = random.logarithmic(2, 512);
    swarm.spare_buffer_bytes = random.coin() ? random.between(0, 4) * mebibyte : 32 * mebibyte;
    swarm.handshake_timeout_ns = random.logarithmic(1 * second, 30 * second);
    swarm.transfer_timeout_ns = random.logarithmic(200 * millisecond, 60 * second);
    swarm.shutdown_grace_ns = random.logarithmic(1 * second, 20 * second);
}

void draw_network(Swarm& swarm, Random& random) {
    swarm.turn_ns = random.coin() ? random.logarithmic(100, 50 * microsecond) : 0;
    swarm.batch_ns = random.coin() ? random.logarithmic(100, 200 * microsecond) : 0;
    swarm.delay_ns = random.logarithmic(1 * microsecond, 1 * millisecond);
    swarm.to_server_window = random.logarithmic(512, 256 * kibibyte);
    swarm.to_client_window = random.logarithmic(512, 256 * kibibyte);
    swarm.partial_receive_chance = random.coin() ? random.logarithmic(10, 5'000) : 0;
    swarm.partial_send_chance = random.coin() ? random.logarithmic(10, 5'000) : 0;
}

void draw_faults(Swarm& swarm, Random& random) {
    const auto rare = [&](uint64_t last) {
        return random.coin() ? random.logarithmic(1, last) : 0;
    };
    swarm.read_error_chance = rare(300);
    swarm.bad_sector_chance = rare(30);
    swarm.write_error_chance = rare(300);
    swarm.sync_error_chance = rare(200);
    swarm.no_space_chance = rare(200);
    swarm.short_transfer_chance = rare(100);
    swarm.stall_chance = rare(10);
    swarm.unsupported_hole_chance = rare(300);
    swarm.truncation_chance = random.chance(1, 8) ? 1 : 0;
    swarm.reset_chance = rare(30);
    swarm.disconnect_chance = rare(30);
    swarm.half_close_chance = rare(30);
    swarm.cut_off_chance = rare(30);
    swarm.stall_client_chance = rare(40);
    swarm.stall_payload_chance = rare(60);
    swarm.send_error_chance = rare(10);
    swarm.no_descriptor_chance = rare(2'000);
    swarm.aborted_accept_chance = rare(1'000);
    swarm.hostile_clients = random.coin() ? random.between(1, 3) : 0;
    swarm.kill_chance = rare(16);
    swarm.power_cut_chance = rare(16);
    swarm.stop_chance = rare(16);
}

void draw_cache(Swarm& swarm, Random& random) {
    swarm.cache_size = random.coin() ? random.logarithmic(1, 256) * 4 * kibibyte : 0;
}

constexpr std::array parameters = {
    SwarmParameter{"operations", &Swarm::operations, false},
    SwarmParameter{"clients", &Swarm::clients, false},
    SwarmParameter{"depth", &Swarm::depth, false},
    SwarmParameter{"request_size_max", &Swarm::request_size_max, false},
    SwarmParameter{"read_weight", &Swarm::read_weight, false},
    SwarmParameter{"write_weight", &Swarm::write_weight, false},
    SwarmParameter{"flush_weight", &Swarm::flush_weight, true},
    SwarmParameter{"trim_weight", &Swarm::trim_weight, true},
    SwarmParameter{"zero_weight", &Swarm::zero_weight, true},
    SwarmParameter{"other_weight", &Swarm::other_weight, true},
    SwarmParameter{"fua_chance", &Swarm::fua_chance, true},
    SwarmParameter{"hot_chance", &Swarm::hot_chance, true},
    SwarmParameter{"maximal_chance", &Swarm::maximal_chance, true},
    SwarmParameter{"refused_chance", &Swarm::refused_chance, true},
    SwarmParameter{"think_ns", &Swarm::think_ns, true},
    SwarmParameter{"pipelines_options", &Swarm::pipelines_options, true},
    SwarmParameter{"disk_size", &Swarm::disk_size, false},
    SwarmParameter{"export_cut", &Swarm::export_cut, true},
    SwarmParameter{"alignment", &Swarm::alignment, false},
    SwarmParameter{"hole_alignment", &Swarm::hole_alignment, false},
    SwarmParameter{"cell_size", &Swarm::cell_size, false},
    SwarmParameter{"cell_shift", &Swarm::cell_shift, true},
    SwarmParameter{"can_punch_hole", &Swarm::can_punch_hole, false},
    SwarmParameter{"can_zero_range", &Swarm::can_zero_range, false},
    SwarmParameter{"can_report_extents", &Swarm::can_report_extents, false},
    SwarmParameter{"disk_depth", &Swarm::disk_depth, false},
    SwarmParameter{"read_ns", &Swarm::read_ns, false},
    SwarmParameter{"write_ns", &Swarm::write_ns, false},
    SwarmParameter{"sync_ns", &Swarm::sync_ns, false},
    SwarmParameter{"slow_class", &Swarm::slow_class, true},
    SwarmParameter{"connections", &Swarm::connections, false},
    SwarmParameter{"requests_per_connection", &Swarm::requests_per_connection, false},
    SwarmParameter{"bytes_per_connection", &Swarm::bytes_per_connection, false},
    SwarmParameter{"requests", &Swarm::requests, false},
    SwarmParameter{"spare_buffer_bytes", &Swarm::spare_buffer_bytes, false},
    SwarmParameter{"handshake_timeout_ns", &Swarm::handshake_timeout_ns, false},
    SwarmParameter{"transfer_timeout_ns", &Swarm::transfer_timeout_ns, false},
    SwarmParameter{"shutdown_grace_ns", &Swarm::shutdown_grace_ns, false},
    SwarmParameter{"turn_ns", &Swarm::turn_ns, true},
    SwarmParameter{"batch_ns", &Swarm::batch_ns, true},
    SwarmParameter{"delay_ns", &Swarm::delay_ns, false},
    SwarmParameter{"to_server_window", &Swarm::to_server_window, false},
    SwarmParameter{"to_client_window", &Swarm::to_client_window, false},
    SwarmParameter{"partial_receive_chance", &Swarm::partial_receive_chance, true},
    SwarmParameter{"partial_send_chance", &Swarm::partial_send_chance, true},
    SwarmParameter{"read_error_chance", &Swarm::read_error_chance, true},
    SwarmParameter{"bad_sector_chance", &Swarm::bad_sector_chance, true},
    SwarmParameter{"write_error_chance", &Swarm::write_error_chance, true},
    SwarmParameter{"sync_error_chance", &Swarm::sync_error_chance, true},
    SwarmParameter{"no_space_chance", &Swarm::no_space_chance, true},
    SwarmParameter{"short_transfer_chance", &Swarm::short_transfer_chance, true},
    SwarmParameter{"stall_chance", &Swarm::stall_chance, true},
    SwarmParameter{"unsupported_hole_chance", &Swarm::unsupported_hole_chance, true},
    SwarmParameter{"truncation_chance", &Swarm::truncation_chance, true},
    SwarmParameter{"reset_chance", &Swarm::reset_chance, true},
    SwarmParameter{"disconnect_chance", &Swarm::disconnect_chance, true},
    SwarmParameter{"half_close_chance", &Swarm::half_close_chance, true},
    SwarmParameter{"cut_off_chance", &Swarm::cut_off_chance, true},
    SwarmParameter{"stall_client_chance", &Swarm::stall_client_chance, true},
    SwarmParameter{"stall_payload_chance", &Swarm::stall_payload_chance, true},
    SwarmParameter{"send_error_chance", &Swarm::send_error_chance, true},
    SwarmParameter{"no_descriptor_chance", &Swarm::no_descriptor_chance, true},
    SwarmParameter{"aborted_accept_chance", &Swarm::aborted_accept_chance, true},
    SwarmParameter{"hostile_clients", &Swarm::hostile_clients, true},
    SwarmParameter{"kill_chance", &Swarm::kill_chance, true},
    SwarmParameter{"power_cut_chance", &Swarm::power_cut_chance, true},
    SwarmParameter{"stop_chance", &Swarm::stop_chance, true},
    SwarmParameter{"cache_size", &Swarm::cache_size, true},
};
static_assert(sizeof(Swarm) == parameters.size() * sizeof(uint64_t), "each has its name");

}  // namespace

Swarm Swarm::draw(uint64_t seed) {
    Random random(seed, 0);
    Swarm swarm{};
    draw_work(swarm, random);
    draw_disk(swarm, random);
    draw_limits(swarm, random);
    draw_network(swarm, random);
    draw_faults(swarm, random);
    draw_cache(swarm, random);
    return swarm;
}

std::span<const SwarmParameter> swarm_parameters() { return parameters; }

}  // namespace blockd::simulation
