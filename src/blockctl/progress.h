// How far a copy is: its rate over the last seconds, the time that is left, and both in words.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace blockd::blockctl {

struct ProgressState {
    uint64_t size_done = 0;
    uint64_t size = 0;
    uint64_t rate = 0;              // Bytes a second.
    std::optional<uint64_t> eta_s;  // Seconds that are left; none while the rate is unknown.
    bool is_done = false;           // To the end, and in order.
};

enum class ProgressEnd : uint8_t { done, failed };

// Measures the rate over a sliding window, so that it follows a server that slows down.
class ProgressMeter {
  public:
    ProgressMeter(uint64_t size, uint64_t start_ns);

    // `now_ns` never goes back.
    void update(uint64_t size_done, uint64_t now_ns);

    // The rate of the end is that of the whole.
    void finish(ProgressEnd end, uint64_t size_done, uint64_t now_ns);

    const ProgressState& state() const { return state_; }

  private:
    static constexpr uint64_t sample_interval_ns = 100'000'000;

    struct Sample {
        uint64_t size_done;
        uint64_t at_ns;
    };

    void sample(uint64_t size_done, uint64_t now_ns);

    std::array<Sample, 32> samples_;  // A ring: about three seconds.
    size_t sample_count_ = 1;         // All that were ever taken.
    uint64_t start_ns_;
    ProgressState state_;
};

// One line of at most `columns` characters, without a line end:
// " 42% [========            ] 860 MiB of 2 GiB, 1.21 GiB/s, 0:12 left".
std::string progress_line(const ProgressState& state, uint32_t columns);

// "0:07", "12:34", "3:05:09".
std::string format_duration(uint64_t seconds);

}  // namespace blockd::blockctl
