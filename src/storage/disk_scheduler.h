// Decides which disk operation starts next.
//
// The system gets at most `depth_max` operations at a time; what comes on top waits here, where
// the clients take turns (deficit round robin, in bytes), so that one big reader does not own the
// disk. While there is room, an operation starts as soon as it is submitted. Runs on the loop's
// thread.
#pragma once

#include <blockd/intrusive_list.h>
#include <blockd/io/loop.h>

#include <cstddef>
#include <cstdint>

#include "storage/transfer.h"

namespace blockd::storage {

// What a client may start in one turn, and what an operation costs besides its bytes. Holes are
// made by the file system's metadata alone: they cost the fixed price.
inline constexpr uint64_t scheduler_quantum_size = 256u << 10;
inline constexpr uint64_t scheduler_operation_cost = 8u << 10;

// The operations of one client that wait for their turn, in order.
class Flow {
  public:
    Flow() = default;
    Flow(const Flow&) = delete;
    Flow& operator=(const Flow&) = delete;
    ~Flow() { ASSERT(queued_.is_empty()); }

  private:
    friend class DiskScheduler;

    IntrusiveList<Transfer, &Transfer::link> queued_;
    uint64_t deficit_ = 0;
    bool is_in_turn_ = false;
    ListLink<Flow> link_;
};

class DiskScheduler {
  public:
    DiskScheduler(io::Loop& loop, uint32_t depth_max);
    DiskScheduler(const DiskScheduler&) = delete;
    DiskScheduler& operator=(const DiskScheduler&) = delete;
    ~DiskScheduler() { ASSERT(in_flight_count_ == 0); }

    // Never calls back inside the call.
    void submit(Flow& flow, Transfer& transfer);

    uint32_t in_flight_count() const { return in_flight_count_; }

  private:
    friend struct Transfer;

    static uint64_t cost_of(const Transfer& transfer);
    void dispatch();
    void dispatch_turn(Flow& flow);
    void start(Transfer& transfer);
    void finish(Transfer& transfer, Result<uint32_t> result);

    io::Loop& loop_;
    const uint32_t depth_max_;
    uint32_t in_flight_count_ = 0;
    IntrusiveList<Flow, &Flow::link_> waiting_;
};

}  // namespace blockd::storage
