// One simulated world, from its seed to its verdict.
//
// The server that ships serves one export to several clients, while the disk, the network and the
// clients fail as the seed has it. It is killed, loses its power, is asked to stop, and started
// anew; each time the disk is judged. Then the world heals: everything must come to its end, the
// server must stop cleanly, and a server after it must find what was promised.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/server.h"
#include "simulation/client.h"
#include "simulation/disk.h"
#include "simulation/hostile_client.h"
#include "simulation/network.h"
#include "simulation/surroundings.h"
#include "simulation/swarm.h"

namespace blockd::simulation {

struct Verdict {
    std::string complaint;  // Empty: nothing was wrong.
    uint64_t trace_hash = 0;
    Figures figures;
};

class World {
  public:
    enum class Telling : uint8_t { nothing, everything };  // What the server logs, on stdout.

    World(uint64_t seed, const Swarm& swarm, Telling telling = Telling::nothing);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Verdict run();

  private:
    class ServerLog;
    struct Server;  // A process: a loop, and the server on it.

    void happen(const Event& event);
    static void happen_to(void* context, const Event& event);

    void start_server();
    void turn(uint64_t wait_ns);
    bool turn_until(bool (World::*condition)() const, uint64_t within_ns);
    void be_faulty();
    void maybe_end_server();
    void kill_server(bool cuts_power);
    void crash_at_start();
    void stop_server(bool must_be_clean);
    void server_stopped(server::StopReport report);
    void judge(Crash crash);
    void maybe_truncate();
    void heal();
    void read_all_back();

    bool is_stopped() const { return report_.has_value(); }
    bool is_over() const { return is_stopped() || is_killed_at_stop_; }
    bool have_clients_finished() const;
    bool are_clients_away() const;
    bool is_read_back() const { return clients_.back()->has_read_all(); }

    Surroundings surroundings_;
    Random random_;
    Disk disk_;
    Network network_;
    std::unique_ptr<ServerLog> log_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<std::unique_ptr<HostileClient>> hostile_clients_;
    Server* server_ = nullptr;  // In the server's own memory.
    std::optional<server::StopReport> report_;
    uint64_t operations_seen_ = 0;
    uint64_t lives_ = 0;
    bool is_truncated_ = false;
    bool is_stopping_ = false;
    bool is_killed_at_stop_ = false;
};

}  // namespace blockd::simulation
