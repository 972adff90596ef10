// What a whole request costs the server: received, parsed, admitted, executed by the disk, answered
// and sent, by the real loop, server and disk on a backend that makes no system call. Fails when a
// request allocates.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "server/served_client.h"
#include "support/allocation_count.h"
#include "support/wire_format.h"

namespace blockd::server {
namespace {

namespace wire = support::wire;

constexpr uint32_t request_size = 4096;
constexpr uint64_t depth_max = 128;
static_assert(depth_max * request_size <= ServedClient::disk_size);

bool has_allocated = false;  // In any of the benchmarks.

// So many requests of one kind, which go out at once, and what is sent in answer.
class Batch {
  public:
    Batch(uint16_t command, ReplyKind kind, uint64_t depth) {
        const bool is_read = command == wire::cmd_read;
        const std::string data(request_size, 'd');
        for (uint64_t index = 0; index < depth; ++index) {
            const uint64_t offset = index * request_size;
            sent_ += support::request_bytes(
                {.command = command, .cookie = index, .offset = offset, .size = request_size});
            if (!is_read) sent_ += data;
            answer_ += kind == ReplyKind::simple ? simple_head(index)
                                                 : structured_head(index, is_read, offset);
            if (is_read) answer_ += data;
        }
    }

    std::span<const std::byte> sent() const { return std::as_bytes(std::span(sent_)); }
    size_t answer_size() const { return answer_.size(); }
    bool is_answer(std::span<const std::byte> received) const {
        return std::ranges::equal(received, std::as_bytes(std::span(answer_)));
    }

  private:
    static std::string simple_head(uint64_t cookie) {
        return support::WireBytes()
            .u32(wire::simple_reply_magic)
            .u32(wire::no_error)
            .u64(cookie)
            .bytes();
    }
    static std::string structured_head(uint64_t cookie, bool is_read, uint64_t offset) {
        support::WireBytes head;
        head.u32(wire::structured_reply_magic).u16(wire::chunk_done);
        head.u16(is_read ? wire::chunk_data : wire::chunk_none).u64(cookie);
        head.u32(is_read ? 8 + request_size : 0);
        if (is_read) head.u64(offset);
        return head.bytes();
    }

    std::string sent_;
    std::string answer_;
};

void request(benchmark::State& state, uint16_t command, ReplyKind kind) {
    const auto depth = uint64_t(state.range(0));
    const Batch batch(command, kind, depth);
    ServedClient client(kind);
    for (int round = 0; round < 100; ++round) {
        const auto received = client.exchange(batch.sent(), batch.answer_size());
        if (!batch.is_answer(received)) return state.SkipWithError("another answer is right");
    }
    const uint64_t count_before = support::allocation_count();
    for (auto _ : state) client.exchange(batch.sent(), batch.answer_size());
    const uint64_t allocations = support::allocation_count() - count_before;

    const auto requests = double(state.iterations()) * double(depth);
    using benchmark::Counter;
    state.counters["per_request"] = Counter(requests, Counter::kIsRate | Counter::kInvert);
    state.counters["allocations_per_request"] = double(allocations) / requests;
    if (allocations > 0) {
        has_allocated = true;
        state.SkipWithError("a request allocates");
    }
}

void depths(benchmark::internal::Benchmark* added) {
    added->ArgName("depth")->Arg(1)->Arg(32)->Arg(int64_t(depth_max));
}
BENCHMARK_CAPTURE(request, read_simple, wire::cmd_read, ReplyKind::simple)->Apply(depths);
BENCHMARK_CAPTURE(request, read_structured, wire::cmd_read, ReplyKind::structured)->Apply(depths);
BENCHMARK_CAPTURE(request, write_simple, wire::cmd_write, ReplyKind::simple)->Apply(depths);
BENCHMARK_CAPTURE(request, write_structured, wire::cmd_write, ReplyKind::structured)->Apply(depths);

}  // namespace
}  // namespace blockd::server

int main(int argument_count, char** arguments) {
    benchmark::Initialize(&argument_count, arguments);
    if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return blockd::server::has_allocated ? 1 : 0;
}
