// What a request's memory costs: taking a piece of the arena, and giving it back.
#include "storage/buffer_pool.h"

#include <benchmark/benchmark.h>

#include <array>
#include <random>
#include <span>

namespace blockd::storage {
namespace {

constexpr BufferPool::Options options = {.arena_size = 256u << 20, .buffers_max = 8192};
constexpr uint32_t sizes[] = {4u << 10, 64u << 10, 1u << 20};

// Nothing else is in use: a piece is split off a whole MiB, and joined with all of it again.
void take_and_give_back(benchmark::State& state) {
    BufferPool pool(options);
    const auto size = uint64_t(state.range(0));
    for (auto _ : state) {
        BufferList taken;
        if (!pool.allocate(size, taken)) return state.SkipWithError("the pool is empty");
        pool.release(taken);
    }
}
BENCHMARK(take_and_give_back)->ArgName("bytes")->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

// 128 pieces are in use; in every turn the oldest goes back, and another one is taken. At most half
// of the arena is in use, and at most half of its MiB are split: there is always room.
void replace_oldest(benchmark::State& state, std::span<const uint32_t> piece_sizes) {
    std::mt19937_64 random(1);
    std::array<uint32_t, 1024> next_sizes{};
    for (uint32_t& size : next_sizes) size = piece_sizes[random() % piece_sizes.size()];
    BufferPool pool(options);
    std::array<BufferList, 128> in_use;
    size_t turn = 0;
    for (auto _ : state) {
        BufferList& oldest = in_use[turn % in_use.size()];
        pool.release(oldest);
        if (!pool.allocate(next_sizes[turn % next_sizes.size()], oldest)) {
            state.SkipWithError("the pool is empty");
            break;
        }
        ++turn;
    }
    for (BufferList& taken : in_use) pool.release(taken);
}
BENCHMARK_CAPTURE(replace_oldest, 4_KiB, std::span(sizes).first(1));
BENCHMARK_CAPTURE(replace_oldest, 64_KiB, std::span(sizes).subspan(1, 1));
BENCHMARK_CAPTURE(replace_oldest, 1_MiB, std::span(sizes).last(1));
BENCHMARK_CAPTURE(replace_oldest, mixed_sizes, sizes);

}  // namespace
}  // namespace blockd::storage
