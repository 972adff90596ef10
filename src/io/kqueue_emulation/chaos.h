// Decides, from a seed, when a queue misbehaves within its rights: see kqueue_set_chaos(). Off for
// seed 0. Not for several threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace blockd::kqueue_emulation {

class Chaos {
  public:
    explicit Chaos(uint64_t seed) : state_(seed) {}

    [[nodiscard]] bool is_on() const { return state_ != 0; }
    [[nodiscard]] bool one_in(size_t chances) { return below(chances) == 0; }
    [[nodiscard]] size_t below(size_t bound) { return next() % bound; }

  private:
    // xorshift64*: never reaches 0 from another state.
    uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return (state_ * 0x2545f4914f6cdd1dULL) >> 16;
    }

    uint64_t state_;
};

}  // namespace blockd::kqueue_emulation
