// The randomness of a simulated world: a function of the seed alone, on every system.
//
// xoshiro256** (Blackman and Vigna, public domain), seeded by splitmix64. Each subject has a stream
// of its own, so that what one of them draws does not change what the others meet.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <blockd/assert.h>

namespace blockd::simulation {

class Random {
  public:
    Random(uint64_t seed, uint64_t stream) {
        uint64_t state = seed ^ (stream * 0x9e3779b97f4a7c15);
        for (uint64_t& word : words_) word = split_mix(state);
    }

    uint64_t next() {
        const uint64_t result = std::rotl(words_[1] * 5, 7) * 9;
        const uint64_t shifted = words_[1] << 17;
        words_[2] ^= words_[0];
        words_[3] ^= words_[1];
        words_[1] ^= words_[2];
        words_[0] ^= words_[3];
        words_[2] ^= shifted;
        words_[3] = std::rotl(words_[3], 45);
        return result;
    }

    // 0 to count - 1. The bias of the multiplication is below 2^-32 for the counts in use.
    uint64_t below(uint64_t count) {
        ASSERT(count > 0);
        if (count <= UINT32_MAX) return ((next() >> 32) * count) >> 32;
        return next() % count;
    }
    uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }

    // True in `count` cases of `of`.
    bool chance(uint64_t count, uint64_t of) { return count > 0 && below(of) < count; }
    bool coin() { return (next() >> 63) != 0; }

    // Each power of two between them equally often.
    uint64_t logarithmic(uint64_t first, uint64_t last) {
        const uint64_t bits =
            between(uint64_t(std::bit_width(first)), uint64_t(std::bit_width(last)));
        const uint64_t low = bits == 0 ? 0 : uint64_t(1) << (bits - 1);
        const uint64_t value = bits == 0 ? 0 : low + below(low);
        return value < first ? first : value > last ? last : value;
    }

    static uint64_t mix(uint64_t value) {
        uint64_t state = value;
        return split_mix(state);
    }

  private:
    static uint64_t split_mix(uint64_t& state) {
        state += 0x9e3779b97f4a7c15;
        uint64_t value = state;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }

    std::array<uint64_t, 4> words_;
};

}  // namespace blockd::simulation
