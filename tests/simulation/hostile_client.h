// A client of a simulated world that says illegal things, or nothing: whatever it does, nobody else
// may notice. It never changes the disk, so that what honest clients find stays theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "simulation/network.h"
#include "simulation/random.h"
#include "simulation/surroundings.h"

namespace blockd::simulation {

class HostileClient final : public Peer {
  public:
    HostileClient(Surroundings& surroundings, Network& network, uint32_t index);

    void start() { schedule(); }
    void act();
    void leave();  // It comes no more.

    void received(std::span<const std::byte> bytes) override;
    void server_hung_up() override;
    void was_reset() override { is_connected_ = false; }
    void settled(uint32_t, uint64_t) override {}

  private:
    enum class Manner : uint8_t {
        garbage,           // Random bytes from the start.
        broken_options,    // Sizes, magics and names that cannot be.
        garbage_requests,  // Serves itself into the transmission phase; then random bytes.
        refused_requests,  // Well framed, and forbidden.
        greedy_reads,      // Many, of any size, and takes no reply.
        promised_payload,  // A write past the end whose payload never comes.
        silence,
        count,
    };

    void schedule();
    void connect();
    void say(const std::string& bytes);
    std::string random_bytes(size_t size);
    std::string broken_option();
    std::string attachment();  // From the client's flags to GO.
    std::string forbidden_request();
    std::string greedy_request();
    void go_on();

    Surroundings& surroundings_;
    Network& network_;
    const uint32_t index_;
    Random random_;
    Manner manner_ = Manner::garbage;
    uint32_t connection_ = 0;
    uint64_t steps_left_ = 0;
    bool is_connected_ = false;
    bool is_leaving_ = false;
};

}  // namespace blockd::simulation
