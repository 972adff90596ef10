// Blocks of one disk that were read or written lately, in memory of a fixed size.
//
// Written through: the disk always holds what the cache holds, so nothing is lost with it. What it
// holds is lent, not copied: a reply is sent from the cache's own memory. A block that is lent
// stays where it is until it is given back; one that is written to meanwhile is forgotten at once,
// and its memory becomes free with the last loan.
//
// A block that is being changed is not in the cache: begin_change() forgets it, and no read that
// may have seen it from before the change brings it back (ChangeClock). Which block leaves a full
// cache S3Fifo decides. Nothing is allocated after construction. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "storage/arena.h"
#include "storage/block_index.h"
#include "storage/buffer_pool.h"
#include "storage/change_clock.h"
#include "storage/s3_fifo.h"

namespace blockd::storage {

inline constexpr uint32_t cache_block_size = 4u << 10;

// Of what an operator may choose; a change of the whole disk walks through all of the cache.
inline constexpr uint64_t cache_size_min = 1u << 20;
inline constexpr uint64_t cache_size_max = uint64_t(16) << 30;

// Of one read or write that passes through the cache. Larger ones go past it: they are few, wait
// for the disk's bandwidth rather than for its latency, and would push out what is small and hot.
inline constexpr uint32_t cache_request_size_max = 256u << 10;

class BlockCache {
  public:
    explicit BlockCache(uint64_t size);  // Bytes: a block to cache_size_max.
    ~BlockCache();                       // Nothing is lent.
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    // All offsets are bytes on the disk, and all ranges whole blocks, of at most
    // cache_request_size_max and a block.

    // Lends the range: appends buffers whose memory is the cache's. All or nothing: false when a
    // block is missing, or the pool has not enough buffers.
    [[nodiscard]] bool lend(uint64_t begin, uint64_t end, BufferPool& pool, BufferList& buffers);

    // Takes back what was lent, before the pool takes the buffers.
    void take_back(const BufferList& buffers);

    // Copies the range. False, and nothing is copied, when a block is missing.
    [[nodiscard]] bool copy(uint64_t begin, std::span<std::byte> target);

    bool contains(uint64_t offset) const;

    // A moment, before a read is given to the disk; then what the read brought, after it. Of blocks
    // that have changed since nothing is kept.
    uint64_t now() const;
    void fill(uint64_t begin, std::span<const std::byte> data, uint64_t since);

    // The range, of any size, is about to be written, zeroed or trimmed.
    void begin_change(uint64_t begin, uint64_t end);

    // The range was written, and what changed it last is this data.
    void insert(uint64_t begin, std::span<const std::byte> data);

    size_t block_count() const;

  private:
    std::byte* block_data(uint32_t slot) { return arena_.get() + size_t(slot) * cache_block_size; }
    // With the mutex held.
    bool find_all(uint64_t begin, uint64_t end);
    uint32_t take_slot();
    void put(uint64_t block, const std::byte* data);
    void forget(uint32_t slot);

    const uint32_t slots_count_;
    mutable std::mutex mutex_;
    Arena arena_;
    BlockIndex index_;
    S3Fifo queues_;
    ChangeClock clock_;
    std::vector<uint32_t> free_slots_;
    std::vector<uint32_t> found_;  // The slots that find_all() found, in order.
};

}  // namespace blockd::storage
