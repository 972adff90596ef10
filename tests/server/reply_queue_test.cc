#include "server/reply_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/buffer_pool.h"

namespace blockd::server {
namespace {

// A reply whose bytes are known: a head of 'h', buffers with heads of 'b' and payloads of 'p'.
class Reply {
  public:
    Reply(storage::BufferPool& pool, uint8_t head_size, std::vector<uint32_t> payload_sizes)
        : pool_(pool) {
        slot.head.size = head_size;
        std::ranges::fill(slot.head.bytes, std::byte('h'));
        expected.assign(head_size, 'h');
        slot.has_data = !payload_sizes.empty();
        for (const uint32_t size : payload_sizes) {
            storage::BufferList one;
            EXPECT_TRUE(pool.allocate(size + 100, one));
            storage::Buffer& buffer = *one.front();
            std::fill_n(buffer.data, buffer.size, std::byte('x'));
            buffer.payload_offset = 40;
            buffer.payload_size = size;
            std::ranges::fill(buffer.payload(), std::byte('p'));
            buffer.head_size = 28;
            std::ranges::fill(buffer.head, std::byte('b'));
            slot.disk.buffers.append(one);
            expected += std::string(28, 'b') + std::string(size, 'p');
        }
    }
    ~Reply() { pool_.release(slot.disk.buffers); }

    RequestSlot slot;
    std::string expected;

  private:
    storage::BufferPool& pool_;
};

constexpr storage::BufferPool::Options small_pool = {.arena_size = 4 << 20, .buffers_max = 512};

std::string gathered(const ReplyQueue& queue, size_t vectors_max) {
    std::vector<io::IoVector> vectors(vectors_max);
    const size_t count = queue.fill(vectors);
    std::string bytes;
    for (const io::IoVector& vector : std::span(vectors).first(count)) {
        bytes.append(static_cast<const char*>(vector.base), vector.size);
    }
    return bytes;
}

TEST(ReplyQueue, GathersManyRepliesIntoOneSend) {
    storage::BufferPool pool(small_pool);
    ReplyQueue queue;
    Reply first(pool, 16, {});
    Reply second(pool, 16, {5000});
    queue.push(first.slot, 0);
    queue.push(second.slot, 0);
    EXPECT_EQ(gathered(queue, 64), first.expected + second.expected);
    RequestList sent;
    queue.consume(first.expected.size() + second.expected.size(), sent);
    EXPECT_TRUE(queue.is_empty());
    EXPECT_EQ(sent.pop_front(), &first.slot);
    EXPECT_EQ(sent.pop_front(), &second.slot);
}

TEST(ReplyQueue, ReplyIsDoneOnlyWithItsLastByte) {
    storage::BufferPool pool(small_pool);
    ReplyQueue queue;
    Reply reply(pool, 16, {100});
    queue.push(reply.slot, 0);
    RequestList sent;
    queue.consume(reply.expected.size() - 1, sent);
    EXPECT_TRUE(sent.is_empty());
    EXPECT_EQ(gathered(queue, 64), "p");
    queue.consume(1, sent);
    EXPECT_EQ(sent.pop_front(), &reply.slot);
}

TEST(ReplyQueue, FrontKnowsSinceWhenItIsReady) {
    storage::BufferPool pool(small_pool);
    ReplyQueue queue;
    Reply first(pool, 16, {});
    Reply second(pool, 16, {});
    queue.push(first.slot, 5);
    queue.push(second.slot, 7);
    EXPECT_EQ(queue.front_since_ns(), 5u);
    RequestList sent;
    queue.consume(first.expected.size(), sent);
    EXPECT_EQ(queue.front_since_ns(), 7u) << "not since it came to the front";
    queue.consume(second.expected.size(), sent);
    while (sent.pop_front() != nullptr) {
    }
}

TEST(ReplyQueue, FewVectorsGatherAPrefix) {
    storage::BufferPool pool(small_pool);
    ReplyQueue queue;
    Reply reply(pool, 20, {10, 20, 30});
    queue.push(reply.slot, 0);
    for (size_t vectors = 1; vectors <= 8; ++vectors) {
        const std::string prefix = gathered(queue, vectors);
        EXPECT_EQ(prefix, reply.expected.substr(0, prefix.size())) << vectors;
    }
    RequestList dropped;
    queue.clear(dropped);
    EXPECT_EQ(dropped.pop_front(), &reply.slot);
    EXPECT_TRUE(queue.is_empty());
}

// Goal: however the socket cuts the stream, every byte is sent once and in order.
// Method: random replies; random numbers of bytes taken at a time.
TEST(ReplyQueue, EveryCutOfTheStreamSendsTheSameBytes) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        storage::BufferPool pool(small_pool);
        ReplyQueue queue;
        std::vector<std::unique_ptr<Reply>> replies;
        std::string expected;
        for (int index = 0; index < 20; ++index) {
            std::vector<uint32_t> sizes(random() % 4);
            for (uint32_t& size : sizes) size = uint32_t(random() % 3000);
            const uint8_t head_size = uint8_t(sizes.empty() ? 16 : (random() % 2) * 16);
            replies.push_back(std::make_unique<Reply>(pool, head_size, sizes));
            queue.push(replies.back()->slot, 0);
            expected += replies.back()->expected;
        }
        std::string stream;
        RequestList sent;
        while (!queue.is_empty()) {
            const std::string offered = gathered(queue, 1 + random() % 64);
            ASSERT_FALSE(offered.empty());
            const size_t taken = 1 + random() % offered.size();
            stream += offered.substr(0, taken);
            queue.consume(taken, sent);
        }
        ASSERT_EQ(stream, expected);
        EXPECT_EQ(sent.count(), replies.size());
        while (sent.pop_front() != nullptr) {
        }
    }
}

}  // namespace
}  // namespace blockd::server
