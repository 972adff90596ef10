// A client that behaves as badly as a machine in trouble: it stalls, dies in the middle of what it
// says, comes back at once. It reads, and writes where nobody has a record.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/wire_client.h"

namespace blockd::crash {

class RudeClient {
  public:
    struct Target {
        std::vector<support::Endpoint> endpoints;
        uint64_t offset = 0;  // Where it may write.
        uint64_t size = 0;
    };

    RudeClient(Target target, uint64_t seed) : target_(std::move(target)), numbers_(seed) {}

    // Comes and goes until stop() is called, from another thread.
    void run();
    void stop() { is_stopping_ = true; }

    uint64_t visit_count() const { return visit_count_; }
    uint64_t cut_off_count() const { return cut_off_count_; }  // Stalled until the server hung up.

    uint64_t endless_count() const { return endless_count_; }  // Stalled, and nobody minded.

  private:
    uint64_t pick(uint64_t count) { return numbers_() % count; }
    void leave_while_negotiating(support::WireClient& client);
    void leave_in_a_header(support::WireClient& client);
    void leave_in_a_payload(support::WireClient& client);
    void leave_without_replies(support::WireClient& client);
    void stall(support::WireClient& client);
    void behave(support::WireClient& client);

    const Target target_;
    std::mt19937_64 numbers_;
    std::atomic<bool> is_stopping_ = false;
    uint64_t visit_count_ = 0;
    uint64_t cut_off_count_ = 0;
    uint64_t endless_count_ = 0;
};

}  // namespace blockd::crash
