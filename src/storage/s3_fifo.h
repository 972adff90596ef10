// Which block leaves a full cache: S3-FIFO, three queues.
//
// A new block enters the small queue. One that is asked for again while it is there goes on to the
// main queue; any other leaves, and only its name is remembered, in the ghost queue: if it comes
// back soon, it enters the main queue at once. So whoever reads a whole disk once passes through
// the small queue, and what is in use stays. Being asked for costs a counter, and moves nothing.
// (Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all you need for cache eviction", SOSP 2023.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace blockd::storage {

// Of a cache's blocks, so many are in the small queue once the cache is full: one in ten.
inline constexpr uint32_t s3_fifo_small_share = 10;

// One search for a block that may leave looks at so many. It then fails, and the next one goes on
// where this one ended: a cache full of blocks in use costs no caller a walk through all of it.
inline constexpr uint32_t s3_fifo_steps_max = 64;

class S3Fifo {
  public:
    static constexpr uint32_t no_slot = UINT32_MAX;

    explicit S3Fifo(uint32_t slots_count);

    // `slot` is in no queue.
    void insert(uint32_t slot, uint64_t block);

    void touch(uint32_t slot) {
        uint8_t& frequency = entries_[slot].frequency;
        if (frequency < frequency_max) ++frequency;
    }

    // In use: it does not leave. As often as it was pinned, it is unpinned. It may be removed.
    void pin(uint32_t slot) { ++entries_[slot].pin_count; }
    bool unpin(uint32_t slot);  // True when it is not in use any more.
    bool is_pinned(uint32_t slot) const { return entries_[slot].pin_count > 0; }

    void remove(uint32_t slot);
    bool is_queued(uint32_t slot) const { return entries_[slot].queue != Queue::none; }
    uint64_t block(uint32_t slot) const { return entries_[slot].block; }

    // Takes the one that leaves out of its queue. no_slot when there is none, or none was found.
    uint32_t evict();

  private:
    static constexpr uint8_t frequency_max = 3;

    enum class Queue : uint8_t { small, main, none };

    struct Entry {
        uint64_t block = 0;
        uint32_t previous = no_slot;
        uint32_t next = no_slot;
        uint32_t pin_count = 0;
        uint8_t frequency = 0;
        Queue queue = Queue::none;
    };
    struct List {
        uint32_t head = no_slot;
        uint32_t tail = no_slot;
        uint32_t count = 0;
    };
    // A block that left the small queue, as the how manieth. Blocks with the same hash share a
    // place; the last one is remembered.
    struct Ghost {
        uint32_t fingerprint = 0;
        uint32_t number = 0;
    };

    List& list(Queue queue) { return lists_[size_t(queue)]; }
    void push(uint32_t slot, Queue queue);
    void unlink(uint32_t slot);
    bool pass_on_or_evict(uint32_t slot);
    Ghost& ghost_of(uint64_t block);
    bool is_remembered(uint64_t block);
    void remember(uint64_t block);

    std::vector<Entry> entries_;
    std::array<List, 2> lists_;
    const uint32_t small_count_wanted_;
    std::vector<Ghost> ghosts_;
    const uint32_t ghosts_remembered_;
    uint32_t ghosts_count_ = 0;  // Of all times; wraps.
};

}  // namespace blockd::storage
