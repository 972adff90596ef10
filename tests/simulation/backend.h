// The loop's backend in a simulated world: a virtual clock, a disk and a network that fail on
// purpose. One for each life of the server; the world outlives it.
#pragma once

#include <blockd/io/backend.h>

#include <cstdint>
#include <vector>

#include "simulation/disk.h"
#include "simulation/network.h"
#include "simulation/random.h"
#include "simulation/surroundings.h"

namespace blockd::simulation {

class SimulatedBackend final : public io::Backend {
  public:
    // `happen` takes the events that are not this backend's own.
    struct World {
        Surroundings& surroundings;
        Disk& disk;
        Network& network;
        void* context;
        void (*happen)(void* context, const Event& event);
    };

    static constexpr io::Fd data_file{2};
    static constexpr uint64_t stall_ns = 30'000'000'000;

    SimulatedBackend(const World& world, uint64_t seed);

    // The process ends, while any part of what the disk was doing may have been done.
    void abandon();

    const char* name() const override { return "simulated"; }
    uint64_t now_ns() override { return surroundings_.now_ns; }
    void submit(io::CompletionList& submitted, io::CompletionList& completed) override;
    void poll(io::CompletionList& completed, uint64_t wait_ns) override;
    void cancel(io::Completion& completion, io::CompletionList& completed) override;
    void wake() override {}
    uint32_t disk_depth() const override { return uint32_t(surroundings_.swarm.disk_depth); }
    Result<io::Fd> open_socket(io::AddressFamily family) override;
    Result<io::Fd> listen(const io::ListenOptions& options) override;
    void shutdown(io::Fd socket, io::ShutdownKind kind) override;
    Result<io::Address> local_address(io::Fd socket) override;
    Result<io::Address> peer_address(io::Fd socket) override;

  private:
    enum class Fate : uint8_t { whole, error_before, error_in_part, error_after, cut_short };

    struct Operation {
        io::Completion* completion = nullptr;
        uint64_t serial = 0;  // Events of an earlier operation in this place are void.
        uint64_t sync_began = 0;
        uint64_t applied_size = 0;
        int64_t error = 0;
        Fate fate = Fate::whole;
    };

    void begin(io::Completion& completion);
    void begin_disk_operation(uint32_t index);
    uint64_t latency_ns(io::OperationKind kind);
    SlowClass slow_class_of(io::OperationKind kind) const;
    void decide_fate(Operation& operation, uint64_t& latency);
    void fail(Operation& operation, Fate fate, int64_t error, uint64_t& count);
    void happen(const Event& event);
    void apply(Operation& operation, uint64_t end);
    void end_operation(uint32_t index);
    int64_t finish_disk_operation(Operation& operation);
    int64_t finish_sync(Operation& operation);
    void attempt(io::Completion& completion);
    int64_t attempt_socket(io::Completion& completion);
    void wait(io::Completion& completion);
    void retry_woken();
    void complete(io::Completion& completion, int64_t result);
    void check_bounds();

    const World world_;
    Surroundings& surroundings_;
    Random random_;
    std::vector<Operation> operations_;
    std::vector<uint32_t> unused_;
    uint32_t disk_operations_count_ = 0;
    uint32_t syncs_count_ = 0;
    uint32_t idle_polls_ = 0;  // In a row, without a completion or the passing of time.
    io::CompletionList done_;
};

}  // namespace blockd::simulation
