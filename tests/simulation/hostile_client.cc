#include "simulation/hostile_client.h"

#include "support/wire_format.h"

namespace blockd::simulation {

namespace wire = support::wire;

namespace {

constexpr uint64_t pause_ns_max = 50'000'000;
constexpr uint64_t steps_max = 40;
constexpr uint64_t stream_base = 1'000;

}  // namespace

HostileClient::HostileClient(Surroundings& surroundings, Network& network, uint32_t index)
    : surroundings_(surroundings),
      network_(network),
      index_(index),
      random_(surroundings.seed, stream_base + index) {}

void HostileClient::schedule() {
    surroundings_.events.schedule(surroundings_.now_ns + 1 + random_.below(pause_ns_max),
                                  EventKind::hostile_client_acts, index_);
}

void HostileClient::act() {
    if (is_leaving_) return;
    if (!is_connected_) {
        connect();
    } else if (steps_left_-- == 0) {
        random_.coin() ? network_.reset(connection_) : network_.close(connection_);
        is_connected_ = false;
    } else {
        go_on();
    }
    schedule();
}

void HostileClient::leave() {
    is_leaving_ = true;
    if (is_connected_) network_.reset(connection_);
    is_connected_ = false;
}

void HostileClient::connect() {
    connection_ = network_.connect(*this);
    is_connected_ = true;
    ++surroundings_.figures.hostile_connections;
    steps_left_ = random_.below(steps_max);
    manner_ = Manner(random_.below(uint64_t(Manner::count)));
    switch (manner_) {
        case Manner::garbage:
        case Manner::silence: return;
        case Manner::broken_options: return say(support::WireBytes().u32(3).bytes());
        case Manner::garbage_requests:
        case Manner::refused_requests:
        case Manner::promised_payload: return say(attachment());
        case Manner::greedy_reads: network_.pause(connection_, true); return say(attachment());
        case Manner::count: return;
    }
}

void HostileClient::say(const std::string& bytes) {
    network_.send(connection_, std::as_bytes(std::span(bytes)));
}

std::string HostileClient::random_bytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = char(random_.next() & 0xff);
    return bytes;
}

std::string HostileClient::attachment() {
    return support::WireBytes().u32(3).bytes() +
           support::option_bytes(wire::opt_go, support::info_data("disk"));
}

std::string HostileClient::broken_option() {
    switch (random_.below(5)) {
        case 0: return support::option_head_bytes(wire::opt_go, uint32_t(random_.next()));
        case 1:
            return support::option_bytes(
                wire::opt_info, support::WireBytes().u32(uint32_t(random_.next())).bytes());
        case 2: return support::option_bytes(wire::opt_set_meta_context, random_bytes(40));
        case 3: return support::option_bytes(uint32_t(random_.next()), random_bytes(100));
        default: return random_bytes(random_.between(1, 64));
    }
}

std::string HostileClient::forbidden_request() {
    support::RequestFields request{.flags = uint16_t(random_.next()),
                                   .cookie = random_.next(),
                                   .offset = random_.next() | uint64_t(1) << 40,
                                   .size = uint32_t(random_.below(1u << 16))};
    constexpr uint16_t commands[] = {wire::cmd_read,         wire::cmd_trim,
                                     wire::cmd_write_zeroes, wire::cmd_block_status,
                                     wire::cmd_resize,       0xffff};
    request.command = commands[random_.below(std::size(commands))];
    return support::request_bytes(request);
}

std::string HostileClient::greedy_request() {
    const uint64_t size = surroundings_.swarm.disk_size - surroundings_.swarm.export_cut;
    const uint64_t wanted = random_.logarithmic(1, std::min<uint64_t>(size, uint64_t(32) << 20));
    return support::request_bytes({.command = wire::cmd_read,
                                   .cookie = random_.next(),
                                   .offset = random_.below(size - wanted + 1),
                                   .size = uint32_t(wanted)});
}

void HostileClient::go_on() {
    switch (manner_) {
        case Manner::garbage:
        case Manner::garbage_requests: return say(random_bytes(random_.between(1, 2'000)));
        case Manner::broken_options: return say(broken_option());
        case Manner::refused_requests: return say(forbidden_request());
        case Manner::greedy_reads:
            for (uint64_t count = random_.below(32); count > 0; --count) say(greedy_request());
            return;
        case Manner::promised_payload:
            manner_ = Manner::silence;
            return say(support::request_bytes({.command = wire::cmd_write,
                                               .cookie = 1,
                                               .offset = surroundings_.swarm.disk_size,
                                               .size = 1u << 20}) +
                       random_bytes(random_.below(512)));
        case Manner::silence:
        case Manner::count: return;
    }
}

void HostileClient::received(std::span<const std::byte>) {}

void HostileClient::server_hung_up() {
    if (is_connected_) network_.close(connection_);
    is_connected_ = false;
}

}  // namespace blockd::simulation
