#include "storage/block_cache.h"

#include <blockd/assert.h>

#include <cstring>

namespace blockd::storage {

static_assert(cache_size_max / cache_block_size < BlockIndex::no_slot);
static_assert(BlockIndex::no_slot == S3Fifo::no_slot);

namespace {

constexpr uint32_t blocks_of_a_request_max = cache_request_size_max / cache_block_size + 1;

uint64_t block_of(uint64_t offset) {
    ASSERT(offset % cache_block_size == 0);
    return offset / cache_block_size;
}

}  // namespace

BlockCache::BlockCache(uint64_t size)
    : slots_count_(uint32_t(size / cache_block_size)),
      arena_(make_arena(size)),
      index_(slots_count_),
      queues_(slots_count_) {
    ASSERT(slots_count_ > 0);
    ASSERT(size <= cache_size_max);
    // From the back, so that blocks that come one after the other lie so, and the rest stays
    // untouched.
    free_slots_.reserve(slots_count_);
    for (uint32_t slot = slots_count_; slot > 0; --slot) free_slots_.push_back(slot - 1);
    found_.reserve(blocks_of_a_request_max);
}

BlockCache::~BlockCache() { ASSERT(free_slots_.size() + index_.count() == slots_count_); }

bool BlockCache::find_all(uint64_t begin, uint64_t end) {
    ASSERT(begin < end);
    ASSERT(end - begin <= uint64_t(blocks_of_a_request_max) * cache_block_size);
    found_.clear();
    for (uint64_t block = block_of(begin); block < block_of(end); ++block) {
        const uint32_t slot = index_.find(block);
        if (slot == BlockIndex::no_slot) return false;
        found_.push_back(slot);
    }
    return true;
}

bool BlockCache::lend(uint64_t begin, uint64_t end, BufferPool& pool, BufferList& buffers) {
    const std::lock_guard guard(mutex_);
    if (!find_all(begin, end)) return false;
    BufferList lent;
    for (size_t first = 0; first < found_.size();) {
        // Blocks that lie one after the other are one buffer.
        size_t next = first + 1;
        while (next < found_.size() && found_[next] == found_[next - 1] + 1) ++next;
        const std::span memory(block_data(found_[first]), (next - first) * cache_block_size);
        if (!pool.adopt(memory, lent)) {
            pool.release(lent);
            return false;
        }
        first = next;
    }
    for (const uint32_t slot : found_) {
        queues_.touch(slot);
        queues_.pin(slot);
    }
    buffers.append(lent);
    return true;
}

void BlockCache::take_back(const BufferList& buffers) {
    const std::lock_guard guard(mutex_);
    for (const Buffer* buffer = buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
        const uint32_t first = uint32_t((buffer->data - arena_.get()) / cache_block_size);
        const uint32_t end = first + buffer->size / cache_block_size;
        for (uint32_t slot = first; slot < end; ++slot) {
            const bool is_free = queues_.unpin(slot) && !queues_.is_queued(slot);
            if (is_free) free_slots_.push_back(slot);
        }
    }
}

bool BlockCache::copy(uint64_t begin, std::span<std::byte> target) {
    const std::lock_guard guard(mutex_);
    if (!find_all(begin, begin + target.size())) return false;
    std::byte* to = target.data();
    for (const uint32_t slot : found_) {
        queues_.touch(slot);
        std::memcpy(to, block_data(slot), cache_block_size);
        to += cache_block_size;
    }
    return true;
}

bool BlockCache::contains(uint64_t offset) const {
    const std::lock_guard guard(mutex_);
    return index_.find(block_of(offset)) != BlockIndex::no_slot;
}

void BlockCache::fill(uint64_t begin, std::span<const std::byte> data, uint64_t since) {
    const std::lock_guard guard(mutex_);
    ASSERT(data.size() % cache_block_size == 0);
    uint64_t block = block_of(begin);
    for (size_t at = 0; at < data.size(); at += cache_block_size, ++block) {
        if (clock_.has_changed(block, since)) continue;
        if (index_.find(block) != BlockIndex::no_slot) continue;  // Another read was first.
        put(block, data.data() + at);
    }
}

void BlockCache::begin_change(uint64_t begin, uint64_t end) {
    const std::lock_guard guard(mutex_);
    const uint64_t first = begin / cache_block_size;
    const uint64_t last = (end + cache_block_size - 1) / cache_block_size;
    clock_.change(first, last);
    if (last - first <= index_.count()) {
        for (uint64_t block = first; block < last; ++block) {
            const uint32_t slot = index_.find(block);
            if (slot != BlockIndex::no_slot) forget(slot);
        }
        return;
    }
    for (uint32_t slot = 0; slot < slots_count_ && index_.count() > 0; ++slot) {
        if (!queues_.is_queued(slot)) continue;
        const uint64_t block = queues_.block(slot);
        if (block >= first && block < last) forget(slot);
    }
}

void BlockCache::insert(uint64_t begin, std::span<const std::byte> data) {
    const std::lock_guard guard(mutex_);
    ASSERT(data.size() % cache_block_size == 0);
    uint64_t block = block_of(begin);
    for (size_t at = 0; at < data.size(); at += cache_block_size, ++block) {
        ASSERT(index_.find(block) == BlockIndex::no_slot);
        put(block, data.data() + at);
    }
}

uint64_t BlockCache::now() const {
    const std::lock_guard guard(mutex_);
    return clock_.now();
}

size_t BlockCache::block_count() const {
    const std::lock_guard guard(mutex_);
    return index_.count();
}

void BlockCache::put(uint64_t block, const std::byte* data) {
    const uint32_t slot = take_slot();
    if (slot == S3Fifo::no_slot) return;
    std::memcpy(block_data(slot), data, cache_block_size);
    index_.insert(block, slot);
    queues_.insert(slot, block);
}

// S3Fifo::no_slot when no block was found that may leave.
uint32_t BlockCache::take_slot() {
    if (!free_slots_.empty()) {
        const uint32_t slot = free_slots_.back();
        free_slots_.pop_back();
        return slot;
    }
    const uint32_t slot = queues_.evict();
    if (slot != S3Fifo::no_slot) index_.erase(queues_.block(slot));
    return slot;
}

void BlockCache::forget(uint32_t slot) {
    index_.erase(queues_.block(slot));
    queues_.remove(slot);
    if (!queues_.is_pinned(slot)) free_slots_.push_back(slot);
}

}  // namespace blockd::storage
