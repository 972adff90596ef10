#include "blockctl/progress.h"

#include <algorithm>
#include <cstdio>

#include "blockctl/size_text.h"

namespace blockd::blockctl {
namespace {

constexpr uint64_t nanoseconds_per_second = 1'000'000'000;

uint64_t rate_of(uint64_t size, uint64_t duration_ns) {
    if (duration_ns == 0) return 0;
    return uint64_t(double(size) * double(nanoseconds_per_second) / double(duration_ns));
}

uint64_t percent_of(const ProgressState& state) {
    if (state.size == 0) return 100;
    return uint64_t(double(state.size_done) * 100 / double(state.size));
}

std::string bar_of(uint64_t percent, uint32_t width) {
    const size_t filled = size_t(percent * width / 100);
    std::string bar = "[";
    bar.append(filled, '=').append(width - filled, ' ').append("] ");
    return bar;
}

std::string text_of(const ProgressState& state) {
    std::string text = format_size(state.size_done) + " of " + format_size(state.size);
    if (state.rate > 0) text += ", " + format_size(state.rate) + "/s";
    if (state.eta_s && !state.is_done) text += ", " + format_duration(*state.eta_s) + " left";
    return text;
}

}  // namespace

ProgressMeter::ProgressMeter(uint64_t size, uint64_t start_ns) : start_ns_(start_ns) {
    state_.size = size;
    samples_[0] = {.size_done = 0, .at_ns = start_ns};
}

void ProgressMeter::update(uint64_t size_done, uint64_t now_ns) {
    sample(size_done, now_ns);
    const size_t oldest = sample_count_ > samples_.size() ? sample_count_ - samples_.size() : 0;
    const Sample& from = samples_[oldest % samples_.size()];

    state_.size_done = size_done;
    state_.rate = rate_of(size_done - from.size_done, now_ns - from.at_ns);
    state_.eta_s = std::nullopt;
    if (state_.rate > 0) state_.eta_s = (state_.size - size_done + state_.rate - 1) / state_.rate;
}

void ProgressMeter::finish(ProgressEnd end, uint64_t size_done, uint64_t now_ns) {
    state_.size_done = size_done;
    state_.rate = rate_of(size_done, now_ns - start_ns_);
    state_.is_done = end == ProgressEnd::done;
    state_.eta_s = state_.is_done ? std::optional<uint64_t>(0) : std::nullopt;
}

void ProgressMeter::sample(uint64_t size_done, uint64_t now_ns) {
    const Sample& last = samples_[(sample_count_ - 1) % samples_.size()];
    if (now_ns - last.at_ns < sample_interval_ns) return;
    samples_[sample_count_ % samples_.size()] = {.size_done = size_done, .at_ns = now_ns};
    ++sample_count_;
}

std::string progress_line(const ProgressState& state, uint32_t columns) {
    constexpr uint32_t bar_width_max = 30;
    constexpr uint32_t bar_frame = 3;  // Brackets and a space.

    const uint64_t percent = percent_of(state);
    std::array<char, 8> head{};
    std::snprintf(head.data(), head.size(), "%3u%% ", unsigned(percent));

    const std::string text = text_of(state);
    const size_t used = 5 + text.size() + bar_frame;
    std::string line = head.data();
    if (columns > used) {
        line += bar_of(percent, uint32_t(std::min(size_t(bar_width_max), columns - used)));
    }
    line += text;
    return line.substr(0, columns);
}

std::string format_duration(uint64_t seconds) {
    std::array<char, 40> text{};
    const auto hours = static_cast<unsigned long long>(seconds / 3600);
    const auto minutes = unsigned(seconds / 60 % 60);
    const auto rest = unsigned(seconds % 60);
    if (hours > 0) {
        std::snprintf(text.data(), text.size(), "%llu:%02u:%02u", hours, minutes, rest);
    } else {
        std::snprintf(text.data(), text.size(), "%u:%02u", minutes, rest);
    }
    return text.data();
}

}  // namespace blockd::blockctl
