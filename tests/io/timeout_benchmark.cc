// What timeouts cost beside 100 to 100,000 others: re-arming one, and a turn of the loop.
#include "io/timeout_queue.h"

#include <blockd/io/loop.h>

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace blockd::io {
namespace {

void cancel_and_rearm(benchmark::State& state) {
    const auto count = static_cast<size_t>(state.range(0));
    std::mt19937_64 random(1);
    std::vector<Completion> completions(count);
    TimeoutQueue queue;
    for (Completion& completion : completions) queue.insert(completion, random() >> 1);
    size_t index = 0;
    for (auto _ : state) {
        Completion& completion = completions[index++ % count];
        queue.remove(completion);
        queue.insert(completion, completion.deadline_ns + 1'000);
    }
}
BENCHMARK(cancel_and_rearm)->RangeMultiplier(10)->Range(100, 100'000);

struct Ignored {
    void fired(Result<Ok>) {}
};

void turn(benchmark::State& state) {
    const auto count = static_cast<size_t>(state.range(0));
    Result<std::unique_ptr<Backend>> backend = make_kqueue_backend({});
    Loop loop(std::move(*backend));
    Ignored ignored;
    std::vector<Completion> completions(count);
    for (Completion& completion : completions) {
        loop.timeout(completion, {.after_ns = loop_wait_ns_max}, bind<&Ignored::fired>(&ignored));
    }
    for (auto _ : state) loop.tick();
    for (Completion& completion : completions) loop.cancel(completion);
    while (loop.in_flight_count() > 0) loop.tick();
}
BENCHMARK(turn)->RangeMultiplier(10)->Range(100, 100'000);

}  // namespace
}  // namespace blockd::io

BENCHMARK_MAIN();
