#include "simulation/world.h"

#include <blockd/assert.h>
#include <blockd/io/loop.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "simulation/backend.h"
#include "simulation/server_memory.h"

namespace blockd::simulation {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t mebibyte = 1u << 20;

// What is on its way when a world heals may stall for 30 s; after that a request takes no minute.
constexpr uint64_t healing_ns_max = 90 * second_ns;
constexpr uint64_t operations_at_last = 20;

// A world ends, however slow its disk and its network are.
constexpr uint64_t life_ns_max = 100'000 * second_ns;

uint64_t largest_request(const Swarm& swarm) {
    return std::min<uint64_t>(swarm.disk_size, 32 * mebibyte);
}

server::Limits limits_of(const Swarm& swarm) {
    // The largest request, widened to whole blocks, with its edges, and the arena's own rounding.
    const uint64_t needed = (largest_request(swarm) / mebibyte + 2) * mebibyte;
    return {.connections = uint32_t(swarm.connections),
            .requests_per_connection = uint32_t(swarm.requests_per_connection),
            .bytes_per_connection = swarm.bytes_per_connection,
            .requests = uint32_t(swarm.requests),
            .buffer_bytes = needed + swarm.spare_buffer_bytes,
            .handshake_timeout_ns = swarm.handshake_timeout_ns,
            .transfer_timeout_ns = swarm.transfer_timeout_ns,
            .shutdown_grace_ns = swarm.shutdown_grace_ns};
}

io::DataFile data_file_of(const Swarm& swarm) {
    return {.fd = SimulatedBackend::data_file,
            .size = swarm.disk_size,
            .alignment = uint32_t(swarm.alignment),
            .hole_alignment = uint32_t(swarm.hole_alignment),
            .caching = io::Caching::direct,
            .durability = io::Durability::full,
            .can_punch_hole = swarm.can_punch_hole != 0,
            .can_zero_range = swarm.can_zero_range != 0,
            .can_report_extents = swarm.can_report_extents != 0};
}

server::ServerOptions options_of(const Swarm& swarm) {
    server::ServerOptions options;
    options.limits = limits_of(swarm);
    options.exports.push_back({.name = "disk",
                               .is_default = true,
                               .size = swarm.disk_size - swarm.export_cut,
                               .cache_size = swarm.cache_size,
                               .file = data_file_of(swarm)});
    return options;
}

}  // namespace

class World::ServerLog final : public server::Log {
  public:
    ServerLog(const Surroundings& surroundings, Telling telling)
        : surroundings_(surroundings), telling_(telling) {}

    void write(server::LogLevel, std::string_view message,
               std::span<const server::LogField> fields) override {
        if (telling_ == Telling::nothing) return;
        const OutsideOfServer outside;
        std::string line = std::to_string(double(surroundings_.now_ns) / double(second_ns)) + " " +
                           std::string(message);
        for (const server::LogField& field : fields) {
            const auto* const number = std::get_if<uint64_t>(&field.value);
            line += " " + std::string(field.key) + "=";
            line += number != nullptr ? std::to_string(*number)
                                      : std::string(std::get<std::string_view>(field.value));
        }
        std::puts(line.c_str());
    }

  private:
    const Surroundings& surroundings_;
    const Telling telling_;
};

struct World::Server {
    Server(std::unique_ptr<SimulatedBackend> made, server::Log& log, const Swarm& swarm)
        : backend(*made), loop(std::move(made)), server(loop, log, options_of(swarm)) {}

    SimulatedBackend& backend;
    io::Loop loop;
    server::Server server;
};

World::World(uint64_t seed, const Swarm& swarm, Telling telling)
    : surroundings_(swarm, seed),
      random_(seed, 5),
      disk_(swarm.disk_size, seed),
      network_(surroundings_.swarm, surroundings_.events, surroundings_.now_ns, seed,
               surroundings_.figures.failed_sends),
      log_(std::make_unique<ServerLog>(surroundings_, telling)) {
    for (uint32_t index = 0; index < swarm.clients; ++index) {
        clients_.push_back(std::make_unique<Client>(surroundings_, network_, index));
    }
    for (uint32_t index = 0; index < swarm.hostile_clients; ++index) {
        hostile_clients_.push_back(std::make_unique<HostileClient>(surroundings_, network_, index));
    }
}

World::~World() { end_of_server_memory(); }

Verdict World::run() {
    start_server();
    for (const auto& client : clients_) client->start();
    for (const auto& client : hostile_clients_) client->start();
    be_faulty();
    if (!surroundings_.is_broken()) heal();
    if (!surroundings_.is_broken()) read_all_back();
    if (server_ != nullptr) server_->backend.abandon();
    surroundings_.figures.virtual_seconds = surroundings_.now_ns / second_ns;
    return {.complaint = surroundings_.complaint,
            .trace_hash = surroundings_.trace_hash,
            .figures = surroundings_.figures};
}

void World::happen_to(void* context, const Event& event) {
    static_cast<World*>(context)->happen(event);
}

void World::happen(const Event& event) {
    switch (event.kind) {
        case EventKind::client_acts: return clients_[event.index]->act(event.value);
        case EventKind::hostile_client_acts: return hostile_clients_[event.index]->act();
        default: return network_.happen(event);
    }
}

void World::start_server() {
    ASSERT(server_ == nullptr);
    if (!surroundings_.is_healed) crash_at_start();
    // Opening a data file syncs it before anything is served.
    if (is_truncated_) disk_.restore_size();
    is_truncated_ = false;
    disk_.sync_all();
    judge(Crash::process);
    surroundings_.history.everything_was_synced();
    surroundings_.sync_faults_before = surroundings_.sync_faults;
    surroundings_.has_sync_failed = false;
    report_.reset();
    const uint64_t seed = Random::mix(surroundings_.seed + ++lives_);
    const InsideOfServer inside;
    auto backend =
        std::make_unique<SimulatedBackend>(SimulatedBackend::World{.surroundings = surroundings_,
                                                                   .disk = disk_,
                                                                   .network = network_,
                                                                   .context = this,
                                                                   .happen = happen_to},
                                           seed);
    server_ = new Server(std::move(backend), *log_, surroundings_.swarm);
    const Result<io::Address> address = server_->server.listen({});
    ASSERT(bool(address));
}

// Killed, or cut from its power, before the sync of its start has ended: again and again.
void World::crash_at_start() {
    while (random_.chance(1, 4)) {
        if (!random_.chance(surroundings_.swarm.power_cut_chance, 64)) return;
        ++surroundings_.figures.power_cuts;
        if (random_.coin())
            disk_.end_sync(random_.between(0, disk_.begin_sync()));  // A part of it.
        disk_.cut_power();
        judge(Crash::power);
    }
}

void World::turn(uint64_t wait_ns) {
    const InsideOfServer inside;
    server_->loop.flush(wait_ns);
}

bool World::turn_until(bool (World::*condition)() const, uint64_t within_ns) {
    const uint64_t deadline_ns = surroundings_.now_ns + within_ns;
    while (!(this->*condition)() && !surroundings_.is_broken()) {
        if (is_stopping_ && random_.chance(surroundings_.swarm.kill_chance, 2'000)) {
            is_killed_at_stop_ = !surroundings_.is_healed;
        }
        if (surroundings_.now_ns >= deadline_ns) return false;
        turn(deadline_ns - surroundings_.now_ns);
    }
    return (this->*condition)();
}

void World::be_faulty() {
    const uint64_t wanted = surroundings_.swarm.operations;
    while (surroundings_.figures.client_operations < wanted && !surroundings_.is_broken()) {
        turn(second_ns);
        maybe_truncate();
        maybe_end_server();
        if (surroundings_.now_ns > life_ns_max) {
            std::string text = "the clients cannot go on";
            for (const auto& client : clients_) text += "; " + client->describe();
            surroundings_.complain(text);
        }
    }
}

void World::maybe_truncate() {
    const uint64_t chance = surroundings_.swarm.truncation_chance;
    if (is_truncated_ || !random_.chance(chance, 1'000'000)) return;
    const uint64_t size = random_.below(disk_.size() / 4096) * 4096;
    surroundings_.history.forget(size, disk_.size() - size);
    disk_.truncate(size);
    is_truncated_ = true;
    ++surroundings_.figures.truncations;
}

// Each client operation may be the last one that this process sees.
void World::maybe_end_server() {
    const Swarm& swarm = surroundings_.swarm;
    const uint64_t seen = std::exchange(operations_seen_, surroundings_.figures.client_operations);
    const uint64_t begun = operations_seen_ - seen;
    // And seldom, also between them: while clients negotiate, stall, or wait.
    const auto happens = [&](uint64_t chance) {
        return random_.chance(chance * begun, 10'000) || random_.chance(chance, 1'000'000);
    };
    if (surroundings_.is_broken()) return;
    if (happens(swarm.kill_chance)) {
        kill_server(false);
    } else if (happens(swarm.power_cut_chance)) {
        kill_server(true);
    } else if (happens(swarm.stop_chance)) {
        stop_server(false);
    } else if (surroundings_.has_sync_failed && happens(100)) {
        stop_server(false);  // Somebody looks into the log, and starts it anew.
    } else {
        return;
    }
    if (!surroundings_.is_broken()) start_server();
}

void World::kill_server(bool cuts_power) {
    server_->backend.abandon();
    network_.end_of_server();
    server_ = nullptr;
    end_of_server_memory();
    for (const auto& client : clients_) client->server_may_end();
    ++(cuts_power ? surroundings_.figures.power_cuts : surroundings_.figures.kills);
    if (cuts_power) disk_.cut_power();
    judge(cuts_power ? Crash::power : Crash::process);
}

void World::judge(Crash crash) {
    const uint64_t size =
        std::min(disk_.size(), surroundings_.swarm.disk_size - surroundings_.swarm.export_cut);
    const std::string found =
        surroundings_.history.judge_survivors(crash, disk_.bytes().first(size));
    const std::string what = crash == Crash::power ? "after a power cut: " : "after its end: ";
    if (!found.empty()) surroundings_.complain(what + found);
}

void World::server_stopped(server::StopReport report) { report_ = report; }

void World::stop_server(bool must_be_clean) {
    ++surroundings_.figures.stops;
    for (const auto& client : clients_) client->server_may_end();
    {
        const InsideOfServer inside;
        server_->server.stop(io::bind<&World::server_stopped>(this));
    }
    const uint64_t grace_ns = surroundings_.swarm.shutdown_grace_ns;
    is_stopping_ = true;
    is_killed_at_stop_ = false;
    const bool is_over = turn_until(&World::is_over, grace_ns + 5 * second_ns);
    is_stopping_ = false;
    if (!is_over) {
        if (surroundings_.is_broken()) return;
        return surroundings_.complain("the server does not stop within its grace time");
    }
    if (!is_stopped()) return kill_server(random_.coin());  // In the middle of its drain.
    if (must_be_clean && !report_->is_clean) return surroundings_.complain("the stop is not clean");
    if (!report_->is_clean) return kill_server(random_.coin());

    if ((report_->failed_exports > 0) != surroundings_.has_sync_failed) {
        return surroundings_.complain("the stop does not tell whether a sync has failed");
    }
    if (report_->failed_exports == 0) surroundings_.history.everything_is_durable();
    {
        const InsideOfServer inside;
        delete std::exchange(server_, nullptr);
    }
    if (network_.open_count() > 0) surroundings_.complain("the server left connections open");
    network_.end_of_server();
    end_of_server_memory();
    const bool cuts_power = random_.coin() && !is_truncated_;
    if (cuts_power) {
        ++surroundings_.figures.power_cuts;
        disk_.cut_power();
    }
    judge(cuts_power ? Crash::power : Crash::process);
}

bool World::have_clients_finished() const {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->has_finished(); });
}

bool World::are_clients_away() const { return server_->server.connection_count() == 0; }

// From here on nothing fails any more, so that everything has to come to its end.
void World::heal() {
    surroundings_.is_healed = true;
    network_.heal();
    for (const auto& client : hostile_clients_) client->leave();
    for (const auto& client : clients_) client->finish(operations_at_last);
    if (!turn_until(&World::have_clients_finished, healing_ns_max)) {
        std::string text = "requests stay unanswered though nothing fails any more";
        for (const auto& client : clients_) {
            if (!client->has_finished()) text += "; " + client->describe();
        }
        return surroundings_.complain(text);
    }
    if (!turn_until(&World::are_clients_away, healing_ns_max)) {
        return surroundings_.complain("connections stay though every client has left");
    }
    stop_server(true);
}

// A server after all of this serves the disk as it was judged: a client reads every byte of it.
void World::read_all_back() {
    start_server();
    clients_.push_back(
        std::make_unique<Client>(surroundings_, network_, uint32_t(clients_.size())));
    clients_.back()->read_all();
    clients_.back()->start();
    if (!turn_until(&World::is_read_back, life_ns_max)) {  // A large disk, a slow network.
        return surroundings_.complain("the disk cannot be read back: " +
                                      clients_.back()->describe());
    }
    clients_.back()->leave();
    stop_server(true);
}

}  // namespace blockd::simulation
