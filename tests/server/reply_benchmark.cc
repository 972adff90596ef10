// What a reply costs between the disk and the socket: its heads, and its way through the queue of
// those that wait to be sent. No data is copied.
#include <blockd/assert.h>

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>

#include "server/limits.h"
#include "server/reply_heads.h"
#include "server/reply_queue.h"

namespace blockd::server {
namespace {

constexpr storage::BufferPool::Options pool_options = {.arena_size = 64u << 20,
                                                       .buffers_max = 1024};
constexpr ReplyFormat simple = {};
constexpr ReplyFormat structured = {.is_structured = true, .base_allocation_id = 1};

// A READ that the disk has finished.
class FinishedRead {
  public:
    FinishedRead(storage::BufferPool& pool, uint32_t size, char byte) : pool_(pool) {
        slot.request = {.command = nbd::Command::read, .cookie = 7, .size = size};
        ASSERT(pool.allocate(size, slot.disk.buffers));
        for (storage::Buffer* buffer = slot.disk.buffers.front(); buffer != nullptr;
             buffer = storage::BufferList::next(*buffer)) {
            std::memset(buffer->data, byte, buffer->size);
        }
    }
    ~FinishedRead() { pool_.release(slot.disk.buffers); }

    RequestSlot slot;

  private:
    storage::BufferPool& pool_;
};

benchmark::Counter per(double count) {
    return {count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

struct Case {
    ReplyFormat format;
    uint32_t size;
    char byte = 'd';
};

void reply_heads(benchmark::State& state, const Case& chosen) {
    storage::BufferPool pool(pool_options);
    FinishedRead read(pool, chosen.size, chosen.byte);
    storage::Buffer& first = *read.slot.disk.buffers.front();
    const uint32_t payload_size = first.payload_size;
    for (auto _ : state) {
        first.payload_size = payload_size;  // A hole has cut it to nothing.
        write_success_reply(read.slot, chosen.format);
        benchmark::ClobberMemory();
    }
    const size_t heads = chosen.format.is_structured ? read.slot.disk.buffers.count() : 1;
    state.counters["per_head"] = per(double(state.iterations()) * double(heads));
}
constexpr Case simple_small = {.format = simple, .size = 4096};
constexpr Case structured_small = {.format = structured, .size = 4096};
constexpr Case structured_zeros = {.format = structured, .size = 4096, .byte = 0};
constexpr Case structured_large = {.format = structured, .size = nbd::payload_size_max};
BENCHMARK_CAPTURE(reply_heads, simple_4_KiB, simple_small);
BENCHMARK_CAPTURE(reply_heads, structured_4_KiB, structured_small);
BENCHMARK_CAPTURE(reply_heads, structured_4_KiB_of_zeros, structured_zeros);
BENCHMARK_CAPTURE(reply_heads, structured_32_MiB_in_32_chunks, structured_large);

// So many READs of 4 KiB are pushed, gathered into vectors, and taken off as sent whole.
void reply_queue(benchmark::State& state) {
    storage::BufferPool pool(pool_options);
    std::array<std::unique_ptr<FinishedRead>, send_vectors_max / 2> reads;
    for (auto& read : reads) {
        read = std::make_unique<FinishedRead>(pool, 4096, 'd');
        write_success_reply(read->slot, simple);
    }
    const auto count = size_t(state.range(0));
    std::array<io::IoVector, send_vectors_max> vectors;
    ReplyQueue queue;
    for (auto _ : state) {
        uint64_t size = 0;
        for (size_t index = 0; index < count; ++index) {
            queue.push(reads[index]->slot, 1);
            size += reads[index]->slot.reply_size;
        }
        benchmark::DoNotOptimize(queue.fill(vectors));
        RequestList sent;
        queue.consume(size, sent);
        while (sent.pop_front() != nullptr) {
        }
    }
    state.counters["per_reply"] = per(double(state.iterations()) * double(count));
}
BENCHMARK(reply_queue)->ArgName("replies")->Arg(1)->Arg(8)->Arg(32);

}  // namespace
}  // namespace blockd::server
