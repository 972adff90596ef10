// What the lock of a write costs beside those that are held already: their list is scanned.
#include "storage/range_locks.h"

#include <benchmark/benchmark.h>

#include <utility>
#include <vector>

namespace blockd::storage {
namespace {

constexpr uint64_t size = 4096;

struct Writer {
    void granted(Result<Ok>) { ++granted_count; }

    uint64_t granted_count = 0;
};

// Holds so many ranges, far from offset 0, for as long as it lives.
class Others {
  public:
    Others(RangeLocks& locks, size_t count) : locks_(locks), held_(count) {
        uint64_t begin = 1u << 30;
        for (RangeLock& lock : held_) {
            lock.begin = begin;
            lock.end = begin += size;
            benchmark::DoNotOptimize(locks.acquire(lock));
        }
    }
    ~Others() {
        for (RangeLock& lock : held_) locks_.release(lock);
    }

  private:
    RangeLocks& locks_;
    std::vector<RangeLock> held_;
};

void take_and_release(benchmark::State& state) {
    const auto count = uint32_t(state.range(0));
    RangeLocks locks(count + 1);
    const Others others(locks, count);
    RangeLock lock;
    lock.end = size;
    for (auto _ : state) {
        if (!locks.acquire(lock)) return state.SkipWithError("it overlaps nothing");
        locks.release(lock);
    }
}
BENCHMARK(take_and_release)->ArgName("held")->Arg(0)->Arg(32)->Arg(128)->Arg(512);

// Two writers of one block: one waits, and gets the lock when the other one releases it.
void wait_and_be_granted(benchmark::State& state) {
    const auto count = uint32_t(state.range(0));
    RangeLocks locks(count + 1);
    const Others others(locks, count);
    Writer writer;
    RangeLock first;
    RangeLock second;
    first.end = second.end = size;
    first.granted = second.granted = io::bind<&Writer::granted>(&writer);
    RangeLock* holder = &first;
    RangeLock* waiter = &second;
    if (!locks.acquire(*holder)) return state.SkipWithError("nobody else is there");
    for (auto _ : state) {
        benchmark::DoNotOptimize(locks.acquire(*waiter));
        locks.release(*holder);
        std::swap(holder, waiter);
    }
    locks.release(*holder);
    if (writer.granted_count != uint64_t(state.iterations())) {
        state.SkipWithError("it was not granted");
    }
}
BENCHMARK(wait_and_be_granted)->ArgName("held")->Arg(0)->Arg(32)->Arg(128)->Arg(512);

}  // namespace
}  // namespace blockd::storage
