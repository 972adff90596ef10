// What writing the head of one reply costs, for each kind of head.
#include "nbd/reply.h"

#include <benchmark/benchmark.h>

namespace blockd::nbd {
namespace {

constexpr DataChunk chunk = {
    .cookie = 7, .offset = 1u << 30, .size = 4096, .position = ChunkPosition::last};

void use(ReplyHead& head) {
    benchmark::DoNotOptimize(head.bytes.data());
    benchmark::ClobberMemory();
}

void simple_reply(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_simple_reply(head, chunk.cookie, WireError::none);
        use(head);
    }
}
BENCHMARK(simple_reply);

void none_chunk(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_none_chunk(head, chunk.cookie);
        use(head);
    }
}
BENCHMARK(none_chunk);

void offset_data_chunk(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_offset_data_chunk(head, chunk);
        use(head);
    }
}
BENCHMARK(offset_data_chunk);

void offset_hole_chunk(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_offset_hole_chunk(head, chunk);
        use(head);
    }
}
BENCHMARK(offset_hole_chunk);

void block_status_chunk(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_block_status_chunk(head, chunk.cookie, 1, 8);
        use(head);
    }
}
BENCHMARK(block_status_chunk);

void error_chunk(benchmark::State& state) {
    ReplyHead head;
    for (auto _ : state) {
        write_error_chunk(head, chunk.cookie, WireError::io, "the disk could not be read",
                          chunk.offset);
        use(head);
    }
}
BENCHMARK(error_chunk);

}  // namespace
}  // namespace blockd::nbd
