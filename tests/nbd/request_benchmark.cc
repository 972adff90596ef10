// What a request costs before anything is executed: finding it in received bytes, and judging it.
#include "nbd/request.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace blockd::nbd {
namespace {

constexpr size_t request_count = 585;  // What a receive buffer of 16 KiB holds.
constexpr uint32_t request_size = 4096;
constexpr uint64_t export_size = 1u << 30;

constexpr Command reads[] = {Command::read};
constexpr Command mixed[] = {Command::read,  Command::write,        Command::flush,
                             Command::trim,  Command::write_zeroes, Command::block_status,
                             Command::cache, Command::disconnect};

constexpr RequestLimits limits = {
    .export_size = export_size,
    .flags = transmission_flag::has_flags | transmission_flag::send_flush |
             transmission_flag::send_fua | transmission_flag::send_trim |
             transmission_flag::send_write_zeroes | transmission_flag::send_cache,
    .has_base_allocation = true};

// One behind the other, of random commands at random places.
std::vector<std::byte> requests_of(std::span<const Command> commands) {
    std::mt19937_64 random(1);
    std::vector<std::byte> bytes(request_count * sizeof(RequestHeader));
    for (size_t index = 0; index < request_count; ++index) {
        const Command command = commands[random() % commands.size()];
        const bool has_range = command != Command::flush;
        const uint64_t offset = random() % (export_size / request_size) * request_size;
        const RequestHeader header = {.magic = request_magic,
                                      .flags = 0,
                                      .command = uint16_t(command),
                                      .cookie = index,
                                      .offset = has_range ? offset : 0,
                                      .size = has_range ? request_size : 0};
        std::memcpy(bytes.data() + index * sizeof(header), &header, sizeof(header));
    }
    return bytes;
}

void parse(benchmark::State& state) {
    const std::vector<std::byte> bytes = requests_of(reads);
    std::span<const std::byte> unread = bytes;
    for (auto _ : state) {
        if (unread.empty()) unread = bytes;
        benchmark::DoNotOptimize(parse_request(unread));
        unread = unread.subspan(sizeof(RequestHeader));
    }
}
BENCHMARK(parse);

void parse_and_check(benchmark::State& state, std::span<const Command> commands) {
    const std::vector<std::byte> bytes = requests_of(commands);
    std::span<const std::byte> unread = bytes;
    for (auto _ : state) {
        if (unread.empty()) unread = bytes;
        const Result<std::optional<Request>> parsed = parse_request(unread);
        const Refusal refusal = check_request(**parsed, limits);
        if (refusal) return state.SkipWithError(refusal.text);
        unread = unread.subspan(sizeof(RequestHeader));
    }
}
BENCHMARK_CAPTURE(parse_and_check, reads, reads);
BENCHMARK_CAPTURE(parse_and_check, mixed_commands, mixed);

// A header that is cut off: what a turn of the loop pays for the bytes that it has to leave.
void parse_incomplete(benchmark::State& state) {
    const std::vector<std::byte> bytes = requests_of(reads);
    const std::span<const std::byte> unread = std::span(bytes).first(sizeof(RequestHeader) - 1);
    for (auto _ : state) benchmark::DoNotOptimize(parse_request(unread));
}
BENCHMARK(parse_incomplete);

}  // namespace
}  // namespace blockd::nbd
