#include "storage/s3_fifo.h"

#include <blockd/assert.h>

#include <algorithm>
#include <bit>

#include "storage/block_index.h"

namespace blockd::storage {

S3Fifo::S3Fifo(uint32_t slots_count)
    : entries_(slots_count),
      small_count_wanted_(std::max(1u, slots_count / s3_fifo_small_share)),
      ghosts_(std::bit_ceil(std::max(slots_count, 2u))),
      ghosts_remembered_(slots_count - slots_count / s3_fifo_small_share) {}

void S3Fifo::insert(uint32_t slot, uint64_t block) {
    ASSERT(!is_queued(slot));
    ASSERT(!is_pinned(slot));
    entries_[slot].block = block;
    entries_[slot].frequency = 0;
    push(slot, is_remembered(block) ? Queue::main : Queue::small);
}

bool S3Fifo::unpin(uint32_t slot) {
    ASSERT(entries_[slot].pin_count > 0);
    return --entries_[slot].pin_count == 0;
}

void S3Fifo::remove(uint32_t slot) { unlink(slot); }

// Behind a block of the main queue that is in use the small queue is looked at, so that it is not
// starved by a main queue that is all in use.
uint32_t S3Fifo::evict() {
    bool was_pinned = false;
    for (uint32_t step = 0; step < s3_fifo_steps_max; ++step) {
        const List& small = list(Queue::small);
        const List& main = list(Queue::main);
        const bool prefers_small = small.count >= small_count_wanted_ || was_pinned;
        const bool is_from_small = small.count > 0 && (prefers_small || main.count == 0);
        const uint32_t slot = is_from_small ? small.head : main.head;
        if (slot == no_slot) return no_slot;
        was_pinned = is_pinned(slot);
        if (pass_on_or_evict(slot)) return slot;
    }
    return no_slot;
}

// True when the slot left its queue for good.
bool S3Fifo::pass_on_or_evict(uint32_t slot) {
    Entry& entry = entries_[slot];
    const bool is_small = entry.queue == Queue::small;
    unlink(slot);
    if (is_small && entry.frequency > 1) {
        entry.frequency = 0;
        push(slot, Queue::main);
        return false;
    }
    if (is_pinned(slot) || (!is_small && entry.frequency > 0)) {
        if (entry.frequency > 0) --entry.frequency;
        push(slot, Queue::main);
        return false;
    }
    if (is_small) remember(entry.block);
    return true;
}

void S3Fifo::push(uint32_t slot, Queue queue) {
    List& pushed = list(queue);
    Entry& entry = entries_[slot];
    entry.queue = queue;
    entry.previous = pushed.tail;
    entry.next = no_slot;
    (pushed.tail == no_slot ? pushed.head : entries_[pushed.tail].next) = slot;
    pushed.tail = slot;
    ++pushed.count;
}

void S3Fifo::unlink(uint32_t slot) {
    Entry& entry = entries_[slot];
    ASSERT(entry.queue != Queue::none);
    List& left = list(entry.queue);
    (entry.previous == no_slot ? left.head : entries_[entry.previous].next) = entry.next;
    (entry.next == no_slot ? left.tail : entries_[entry.next].previous) = entry.previous;
    --left.count;
    entry.queue = Queue::none;
}

S3Fifo::Ghost& S3Fifo::ghost_of(uint64_t block) {
    return ghosts_[(hash_of_block(block) >> 32) & (ghosts_.size() - 1)];
}

// Number 0 is never given, so that what was never remembered is never found.
bool S3Fifo::is_remembered(uint64_t block) {
    const Ghost& ghost = ghost_of(block);
    const bool is_same = ghost.number != 0 && ghost.fingerprint == uint32_t(hash_of_block(block));
    return is_same && ghosts_count_ - ghost.number < ghosts_remembered_;
}

void S3Fifo::remember(uint64_t block) {
    ghosts_count_ += ghosts_count_ == UINT32_MAX ? 2 : 1;
    ghost_of(block) = {.fingerprint = uint32_t(hash_of_block(block)), .number = ghosts_count_};
}

}  // namespace blockd::storage
