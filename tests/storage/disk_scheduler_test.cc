#include "storage/disk_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "storage/memory_backend.h"

namespace blockd::storage {
namespace {

struct Read {
    void finished(Result<uint32_t> ended) {
        is_done = true;
        is_ok = bool(ended);
    }
    Transfer transfer;
    bool is_done = false;
    bool is_ok = false;
};

class DiskSchedulerTest : public ::testing::Test {
  protected:
    DiskSchedulerTest() : DiskSchedulerTest(std::make_unique<testing::MemoryBackend>(manual())) {}
    explicit DiskSchedulerTest(std::unique_ptr<testing::MemoryBackend> owned)
        : backend(*owned), loop(std::move(owned)), scheduler(loop, 4), memory(1 << 20) {}

    static testing::MemoryBackend::Options manual() {
        return {.size = 64u << 20, .is_manual = true};
    }

    void submit(Flow& flow, uint64_t offset, uint64_t size) {
        reads.push_back(std::make_unique<Read>());
        Read& read = *reads.back();
        read.transfer.kind = Transfer::Kind::read;
        read.transfer.file = backend.file().fd;
        read.transfer.data = memory.data();
        read.transfer.offset = offset;
        read.transfer.size = size;
        read.transfer.done = io::bind<&Read::finished>(&read);
        scheduler.submit(flow, read.transfer);
    }

    // Finishes everything, one at a time; returns the offsets in the order in which they started.
    std::vector<uint64_t> drain() {
        loop.tick();
        while (backend.pending_count() > 0) {
            EXPECT_LE(scheduler.in_flight_count(), 4u);
            backend.finish(0);
            loop.tick();
            loop.tick();
        }
        std::vector<uint64_t> offsets;
        for (const auto& record : backend.records()) offsets.push_back(record.offset);
        return offsets;
    }

    testing::MemoryBackend& backend;
    io::Loop loop;
    DiskScheduler scheduler;
    std::vector<std::byte> memory;
    std::vector<std::unique_ptr<Read>> reads;
};

TEST_F(DiskSchedulerTest, StartsAtOnceWhileThereIsRoom) {
    Flow flow;
    for (uint64_t index = 0; index < 4; ++index) submit(flow, index * 4096, 4096);
    EXPECT_EQ(scheduler.in_flight_count(), 4u);
    drain();
    for (const auto& read : reads) EXPECT_TRUE(read->is_ok);
}

TEST_F(DiskSchedulerTest, NeverPassesTheDepth) {
    Flow flow;
    for (uint64_t index = 0; index < 20; ++index) submit(flow, index * 4096, 4096);
    EXPECT_EQ(scheduler.in_flight_count(), 4u);
    EXPECT_EQ(drain().size(), 20u);
    EXPECT_EQ(scheduler.in_flight_count(), 0u);
}

TEST_F(DiskSchedulerTest, OneFlowKeepsItsOrder) {
    Flow flow;
    for (uint64_t index = 0; index < 50; ++index) submit(flow, index * 4096, 4096);
    const std::vector<uint64_t> offsets = drain();
    EXPECT_TRUE(std::ranges::is_sorted(offsets));
}

// Goal: a client with 32 mebibytes in the queue does not delay one with a small read.
// Method: the small one comes last; it must be among the first that start once there is room.
TEST_F(DiskSchedulerTest, BigReaderDoesNotDelayASmallOne) {
    Flow big;
    Flow small;
    for (uint64_t index = 0; index < 32; ++index) submit(big, index << 20, 1 << 20);
    constexpr uint64_t small_offset = (48u << 20) + 4096;
    submit(small, small_offset, 4096);
    const std::vector<uint64_t> offsets = drain();
    const auto at = std::ranges::find(offsets, small_offset) - offsets.begin();
    EXPECT_LE(at, 6) << "4 run already, and a turn of the big one may come first";
}

// Goal: two busy clients get equal shares in bytes, whatever the sizes of their requests.
TEST_F(DiskSchedulerTest, SharesAreEqualInBytes) {
    Flow large;
    Flow small;
    for (uint64_t index = 0; index < 16; ++index) submit(large, index << 20, 1 << 20);
    for (uint64_t index = 0; index < 256; ++index) {
        submit(small, (32u << 20) + index * 65'536, 65'536);
    }
    drain();
    uint64_t large_size = 0;
    uint64_t small_size = 0;
    // The first four started while nobody else was there. A small request's fixed cost takes an
    // eighth of its share.
    for (const auto& record : std::span(backend.records()).subspan(4)) {
        (record.offset < 32u << 20 ? large_size : small_size) += record.size;
        if (large_size > 11u << 20 || small_size > 14u << 20) break;
        EXPECT_LT(large_size, small_size + (3u << 20));
        EXPECT_LT(small_size, large_size + (3u << 20));
    }
    EXPECT_GT(large_size + small_size, 20u << 20);
}

TEST_F(DiskSchedulerTest, ShortReadIsADiskError) {
    Flow flow;
    submit(flow, 0, 4096);
    loop.tick();
    backend.finish_short(0, 512);
    loop.tick();
    EXPECT_TRUE(reads[0]->is_done);
    EXPECT_FALSE(reads[0]->is_ok);
}

}  // namespace
}  // namespace blockd::storage
