// What will happen in a simulated world, in the order of its virtual time.
//
// Events of the same time come in a random order, drawn when they are scheduled: no order that the
// real world does not promise may matter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "simulation/random.h"

namespace blockd::simulation {

enum class EventKind : uint8_t {
    // The server's operations, by their index in the backend.
    operation_begins,
    operation_half_done,
    operation_ends,
    // Connections, by their index in the network.
    bytes_reach_server,
    bytes_reach_client,
    client_end_reaches_server,
    server_end_reaches_client,
    reset_reaches_server,
    reset_reaches_client,
    // Clients, by their index.
    client_acts,
    hostile_client_acts,
};

struct Event {
    uint64_t time_ns;
    uint32_t tie_break;
    EventKind kind;
    uint32_t index;
    uint64_t value;  // What the kind wants to know: a count of bytes, a generation.
};

class EventQueue {
  public:
    explicit EventQueue(uint64_t seed) : random_(seed, 1) {}

    bool is_empty() const { return heap_.empty(); }
    uint64_t next_time_ns() const { return heap_.front().time_ns; }

    void schedule(uint64_t time_ns, EventKind kind, uint32_t index, uint64_t value = 0) {
        heap_.push_back({.time_ns = time_ns,
                         .tie_break = uint32_t(random_.next() >> 32),
                         .kind = kind,
                         .index = index,
                         .value = value});
        std::ranges::push_heap(heap_, is_later);
    }

    Event take() {
        std::ranges::pop_heap(heap_, is_later);
        const Event event = heap_.back();
        heap_.pop_back();
        return event;
    }

  private:
    static bool is_later(const Event& left, const Event& right) {
        if (left.time_ns != right.time_ns) return left.time_ns > right.time_ns;
        return left.tie_break > right.tie_break;
    }

    Random random_;
    std::vector<Event> heap_;
};

}  // namespace blockd::simulation
