// What the disk of a simulated world did wrong, so that a client that is told of an error can ask
// whether the server has an excuse for it.
#pragma once

#include <cstdint>
#include <vector>

#include "simulation/history.h"

namespace blockd::simulation {

enum class FaultKind : uint8_t {
    read,      // A read failed, was too short, or met the end of a truncated file.
    change,    // A write or a hole failed with EIO, or was too short.
    no_space,  // The same with ENOSPC.
};

class FaultLog {
  public:
    void add(FaultKind kind, uint64_t offset, uint64_t size, Moment moment) {
        faults_.push_back({.kind = kind, .begin = offset, .end = offset + size, .moment = moment});
    }

    // Whether such a fault met the blocks of a request that was sent at `sent`.
    bool has_met(FaultKind kind, uint64_t offset, uint64_t size, Moment sent) const {
        const uint64_t begin = offset / block_size * block_size;
        const uint64_t end = (offset + size + block_size - 1) / block_size * block_size;
        for (auto fault = faults_.rbegin(); fault != faults_.rend(); ++fault) {
            if (fault->moment < sent) return false;
            if (fault->kind == kind && fault->begin < end && begin < fault->end) return true;
        }
        return false;
    }

  private:
    static constexpr uint64_t block_size = 4096;  // Requests are widened to no more than that.

    struct Fault {
        FaultKind kind;
        uint64_t begin;
        uint64_t end;
        Moment moment;
    };

    std::vector<Fault> faults_;  // In the order of their moments.
};

}  // namespace blockd::simulation
