#include "server/reply_heads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "server/reply_queue.h"
#include "storage/disk_fixture.h"

namespace blockd::server {
namespace {

constexpr uint64_t cookie = 0x1122334455667788;
constexpr ReplyFormat structured = {.is_structured = true, .base_allocation_id = 7};
constexpr ReplyFormat simple = {};

// What is sent for a request that succeeded.
std::vector<std::byte> reply_of(RequestSlot& slot, const ReplyFormat& format) {
    write_success_reply(slot, format);
    ReplyQueue queue;
    queue.push(slot, 0);
    std::vector<io::IoVector> vectors(64);
    const size_t count = queue.fill(vectors);
    std::vector<std::byte> bytes;
    for (const io::IoVector& vector : std::span(vectors).first(count)) {
        const auto* const begin = static_cast<const std::byte*>(vector.base);
        bytes.insert(bytes.end(), begin, begin + vector.size);
    }
    RequestList dropped;
    queue.clear(dropped);
    dropped.pop_front();
    return bytes;
}

uint64_t number_at(std::span<const std::byte> bytes, size_t at, size_t size) {
    uint64_t value = 0;
    for (const std::byte byte : bytes.subspan(at, size)) value = value << 8 | uint8_t(byte);
    return value;
}

// A READ of the disk in memory, up to the moment when its reply is written.
class FinishedRead {
  public:
    explicit FinishedRead(std::vector<std::byte> content, uint16_t flags = 0)
        : world_({.size = storage::test_disk_size, .alignment = 4096, .hole_alignment = 4096}) {
        std::ranges::copy(content, world_.backend.bytes().begin() + offset);
        slot.request = {.command = nbd::Command::read,
                        .flags = flags,
                        .cookie = cookie,
                        .offset = offset,
                        .size = uint32_t(content.size())};
        slot.disk.command = storage::DiskCommand::read;
        slot.disk.offset = offset;
        slot.disk.size = content.size();
        slot.disk.lane = &world_.lane;
        slot.disk.flow = &world_.flow;
        slot.disk.done = io::bind<&FinishedRead::finished>(this);
        EXPECT_TRUE(world_.disk.reserve(slot.disk));
        world_.disk.submit(slot.disk);
        world_.settle();
    }
    ~FinishedRead() { world_.disk.release(slot.disk); }

    std::vector<std::byte> reply(const ReplyFormat& format) { return reply_of(slot, format); }

    static constexpr uint64_t offset = 4096 + 100;
    RequestSlot slot;

  private:
    void finished(Result<Ok> result) { EXPECT_TRUE(bool(result)); }

    storage::DiskWorld world_;
};

struct ReadChunk {
    nbd::ChunkType type;
    bool is_last;
    uint64_t offset;
    uint64_t size;
};

// Takes a structured reply apart, by the specification's own offsets.
std::vector<ReadChunk> chunks_of(std::span<const std::byte> bytes) {
    const auto number = [&](size_t at, size_t size) { return number_at(bytes, at, size); };
    std::vector<ReadChunk> chunks;
    while (!bytes.empty()) {
        EXPECT_EQ(number(0, 4), 0x668e33efu);
        EXPECT_EQ(number(8, 8), cookie);
        const auto type = nbd::ChunkType(number(6, 2));
        const bool is_data = type == nbd::ChunkType::offset_data;
        chunks.push_back({.type = type,
                          .is_last = number(4, 2) == 1,
                          .offset = number(20, 8),
                          .size = is_data ? number(16, 4) - 8 : number(28, 4)});
        bytes = bytes.subspan(20 + number(16, 4));
    }
    return chunks;
}

TEST(ReplyHeads, SimpleReadIsAHeadAndThePayloadAlone) {
    FinishedRead read(std::vector(5000, std::byte('d')));
    const std::vector<std::byte> bytes = read.reply(simple);
    ASSERT_EQ(bytes.size(), 16u + 5000);
    EXPECT_EQ(std::ranges::count(std::span(bytes).subspan(16), std::byte('d')), 5000);
}

TEST(ReplyHeads, StructuredReadCoversTheRequestOnce) {
    FinishedRead read(std::vector(3u << 20, std::byte('d')));
    const std::vector<ReadChunk> chunks = chunks_of(read.reply(structured));
    uint64_t at = FinishedRead::offset;
    for (const ReadChunk& chunk : chunks) {
        EXPECT_EQ(chunk.offset, at);
        EXPECT_EQ(chunk.is_last, &chunk == &chunks.back());
        at += chunk.size;
    }
    EXPECT_EQ(at, FinishedRead::offset + (3u << 20));
}

TEST(ReplyHeads, PieceOfZerosIsSentAsAHole) {
    std::vector<std::byte> content(3u << 20);
    content.back() = std::byte(1);  // Data in the last piece alone.
    FinishedRead read(content);
    const std::vector<std::byte> bytes = read.reply(structured);
    EXPECT_LT(bytes.size(), 2u << 20);
    const std::vector<ReadChunk> chunks = chunks_of(bytes);
    ASSERT_EQ(chunks.size(), 4u);
    EXPECT_EQ(chunks[0].type, nbd::ChunkType::offset_hole);
    EXPECT_EQ(chunks[1].type, nbd::ChunkType::offset_hole);
    EXPECT_EQ(chunks[2].type, nbd::ChunkType::offset_hole);
    EXPECT_EQ(chunks[3].type, nbd::ChunkType::offset_data);
}

TEST(ReplyHeads, OneByteAnywhereMakesAPieceData) {
    for (const size_t at : {size_t(0), size_t(15), size_t(16), size_t(17), size_t(4095)}) {
        std::vector<std::byte> content(4096);
        content[at] = std::byte(1);
        FinishedRead read(content);
        const std::vector<ReadChunk> chunks = chunks_of(read.reply(structured));
        ASSERT_EQ(chunks.size(), 1u);
        EXPECT_EQ(chunks[0].type, nbd::ChunkType::offset_data) << at;
    }
}

TEST(ReplyHeads, DontFragmentIsOneChunkOfData) {
    FinishedRead read(std::vector<std::byte>(3u << 20), nbd::command_flag::dont_fragment);
    const std::vector<ReadChunk> chunks = chunks_of(read.reply(structured));
    ASSERT_EQ(chunks.size(), 1u);
    EXPECT_EQ(chunks[0].type, nbd::ChunkType::offset_data);
    EXPECT_EQ(chunks[0].size, 3u << 20);
    EXPECT_TRUE(chunks[0].is_last);
}

// BLOCK_STATUS of so many extents, up to its reply; the rest of the layout is not asked for.
std::vector<std::byte> status_reply(uint32_t extent_count) {
    std::vector<io::Extent> layout;
    for (uint32_t index = 0; index < 2000; ++index) {
        layout.push_back({.size = 1000 + index, .is_hole = index % 2 == 1});
    }
    uint64_t size = 0;
    for (uint32_t index = 0; index < extent_count; ++index) size += layout[index].size;
    storage::DiskWorld world({.size = 4u << 20, .alignment = 512, .hole_alignment = 512}, layout);
    struct Finished {
        void finished(Result<Ok> result) { is_ok = bool(result); }
        bool is_ok = false;
    } finished;
    RequestSlot slot;
    slot.request = {
        .command = nbd::Command::block_status, .cookie = cookie, .size = uint32_t(size)};
    slot.disk.command = storage::DiskCommand::extents;
    slot.disk.size = size;
    slot.disk.extents_max = storage::disk_extents_max;
    slot.disk.lane = &world.lane;
    slot.disk.flow = &world.flow;
    slot.disk.done = io::bind<&Finished::finished>(&finished);
    EXPECT_TRUE(world.disk.reserve(slot.disk));
    world.disk.submit(slot.disk);
    world.settle();
    EXPECT_TRUE(finished.is_ok);
    std::vector<std::byte> bytes = reply_of(slot, structured);
    world.disk.release(slot.disk);
    return bytes;
}

TEST(ReplyHeads, BlockStatusTellsEveryExtentUpToItsBound) {
    for (const uint32_t extent_count : {1u, 1023u, 1024u, 1025u}) {
        SCOPED_TRACE(extent_count);
        const std::vector<std::byte> bytes = status_reply(extent_count);
        const auto number = [&](size_t at, size_t size) { return number_at(bytes, at, size); };
        const uint32_t told = std::min(extent_count, storage::disk_extents_max);
        ASSERT_EQ(bytes.size(), 20u + 4 + 8 * told);
        EXPECT_EQ(number(0, 4), 0x668e33efu);
        EXPECT_EQ(number(4, 2), 1u) << "the last chunk";
        EXPECT_EQ(number(6, 2), 5u) << "block status";
        EXPECT_EQ(number(8, 8), cookie);
        EXPECT_EQ(number(16, 4), 4u + 8 * told);
        EXPECT_EQ(number(20, 4), structured.base_allocation_id);
        for (uint32_t index = 0; index < told; ++index) {
            ASSERT_EQ(number(24 + 8 * index, 4), 1000 + index);
            ASSERT_EQ(number(28 + 8 * index, 4), index % 2 == 1 ? 3u : 0u) << "hole and zero";
        }
    }
}

TEST(ReplyHeads, ErrorCarriesNoData) {
    FinishedRead read(std::vector(4096, std::byte('d')));
    write_error_reply(read.slot, simple, nbd::WireError::io, "the disk failed");
    EXPECT_FALSE(read.slot.has_data);
    EXPECT_EQ(read.slot.head.size, 16);
    write_error_reply(read.slot, structured, nbd::WireError::io, "the disk failed");
    EXPECT_EQ(read.slot.head.size, 20 + 6 + 15);
}

}  // namespace
}  // namespace blockd::server
