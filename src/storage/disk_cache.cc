// What a disk keeps in its cache, and what it takes from there.

#include <blockd/assert.h>

#include "storage/disk.h"
#include "storage/disk_lane.h"

namespace blockd::storage {

static_assert(cache_block_size % io::data_file_alignment_max == 0);

namespace {

constexpr uint64_t block_begin(uint64_t offset) { return offset & ~uint64_t(cache_block_size - 1); }

constexpr uint64_t block_end(uint64_t offset) { return block_begin(offset + cache_block_size - 1); }

}  // namespace

// Of a file that ends inside a block, that block is never kept.
bool Disk::is_cacheable(const DiskRequest& request) const {
    return can_cache(request.size) && block_end(request.offset + request.size) <= file_.size;
}

// After a failed sync nobody knows what the disk holds: it is asked again.
bool Disk::lend_cached(DiskRequest& request) {
    if (request.command != DiskCommand::read || !is_cacheable(request) || has_failed()) {
        return false;
    }
    const Span span = span_of(request);
    return cache_->lend(span.begin, span.end, request.lane->buffers, request.buffers);
}

void Disk::count_cached_read(bool is_hit) {
    (is_hit ? cache_hit_count_ : cache_miss_count_).fetch_add(1, std::memory_order_relaxed);
}

// Since when a change spoils what the request reads; nothing when one is going on. The moment comes
// first: of a change that begins between the two, the clock tells.
std::optional<uint64_t> Disk::cache_moment(const DiskRequest& request) const {
    const Span span = span_of(request);
    const uint64_t moment = cache_->now();
    if (has_failed() || range_locks_.is_held(span.begin, span.end)) return std::nullopt;
    return moment;
}

void Disk::fill_cache(const DiskRequest& request) {
    if (!request.cache_moment_ || has_failed()) return;
    const Buffer& buffer = *request.buffers.front();
    ASSERT(BufferList::next(buffer) == nullptr);
    cache_->fill(request.buffers_begin_, std::span(buffer.data, buffer.size),
                 *request.cache_moment_);
}

// A read that waited for one that was made ahead.
bool Disk::copy_cached(DiskRequest& request) {
    if (has_failed()) return false;
    const Buffer& buffer = *request.buffers.front();
    return cache_->copy(request.buffers_begin_, std::span(buffer.data, buffer.size));
}

void Disk::begin_change(const RangeLock& lock) {
    if (cache_) cache_->begin_change(lock.begin, lock.end);
}

// The range is still locked: nobody has changed it since. Blocks that were written in part are
// left to the next read.
void Disk::cache_written(const DiskRequest& request) {
    if (!is_cacheable(request)) return;
    const Buffer& buffer = *request.buffers.front();
    ASSERT(BufferList::next(buffer) == nullptr);
    const uint64_t begin = block_end(request.buffers_begin_);
    const uint64_t end = block_begin(request.buffers_begin_ + buffer.size);
    if (begin >= end) return;
    cache_->insert(begin, std::span(buffer.data + (begin - request.buffers_begin_), end - begin));
}

bool Disk::stop_reading_ahead(io::Callback<Result<Ok>> stopped) {
    return read_ahead_ == nullptr || read_ahead_->stop(stopped);
}

}  // namespace blockd::storage
