#include "storage/disk.h"

#include <blockd/assert.h>

#include <bit>

#include "storage/disk_lane.h"

namespace blockd::storage {

static_assert(io::data_file_alignment_max <= buffer_size_min);
static_assert(io::data_file_hole_alignment_max <= buffer_size_max);
static_assert(io::data_file_alignment_max <= io::data_file_hole_alignment_max);

Disk::Disk(const Options& options)
    : file_(options.file),
      size_(options.size),
      can_punch_hole_(file_.can_punch_hole),
      can_zero_range_(file_.can_zero_range),
      range_locks_(options.requests_max),
      flush_group_(file_) {
    if (options.cache_size > 0) {
        cache_ = std::make_unique<BlockCache>(options.cache_size);
        read_ahead_ = std::make_unique<ReadAhead>(*this);
    }
    ASSERT(size_ <= file_.size);
    ASSERT(std::has_single_bit(file_.alignment));
    ASSERT(std::has_single_bit(file_.hole_alignment));
    ASSERT(file_.alignment <= buffer_size_min);
    ASSERT(file_.hole_alignment >= file_.alignment);
    ASSERT(file_.hole_alignment <= buffer_size_max);
    // Widening a request never reaches past the end of the file.
    ASSERT(file_.size % file_.alignment == 0);
}

// What a read or write moves: the request's bytes, widened to blocks.
Disk::Span Disk::span_of(const DiskRequest& request) const {
    const uint64_t end = request.offset + request.size;
    if (request.command == DiskCommand::read && is_cacheable(request)) {
        constexpr uint64_t mask = cache_block_size - 1;
        return {.begin = request.offset & ~mask, .end = (end + mask) & ~mask};
    }
    return {.begin = align_down(request.offset), .end = align_up(end)};
}

// Bytes of Buffers that the command fills or drains.
uint64_t Disk::data_size(const DiskRequest& request) const {
    switch (request.command) {
        case DiskCommand::read:
        case DiskCommand::write: return span_of(request).end - span_of(request).begin;
        case DiskCommand::extents: return request.extents_max * sizeof(io::Extent);
        case DiskCommand::write_zeroes:
        case DiskCommand::trim:
        case DiskCommand::flush: return 0;
    }
    __builtin_unreachable();
}

// Bytes for the blocks that the command changes in part.
uint32_t Disk::edges_size(const DiskRequest& request) const {
    const uint64_t ends = request.offset | (request.offset + request.size);
    switch (request.command) {
        case DiskCommand::write:  // The first block and the last one.
            return (ends & (file_.alignment - 1)) == 0 ? 0 : 2 * file_.alignment;
        case DiskCommand::write_zeroes:  // One after the other.
            return (ends & (file_.hole_alignment - 1)) == 0 ? 0 : file_.hole_alignment;
        case DiskCommand::read:
        case DiskCommand::trim:
        case DiskCommand::flush:
        case DiskCommand::extents: return 0;
    }
    __builtin_unreachable();
}

uint64_t Disk::footprint(const DiskRequest& request) const {
    return BufferPool::footprint(data_size(request)) + BufferPool::footprint(edges_size(request));
}

bool Disk::reserve(DiskRequest& request) {
    ASSERT(request.lane != nullptr);
    ASSERT(request.buffers.is_empty());
    request.is_lent_ = lend_cached(request);
    BufferPool& pool = request.lane->buffers;
    if (!request.is_lent_ && !pool.allocate(data_size(request), request.buffers)) return false;
    if (!pool.allocate(edges_size(request), request.edges_)) {
        pool.release(request.buffers);
        return false;
    }
    if (request.command != DiskCommand::read && request.command != DiskCommand::write) return true;

    // Which of the bytes are the client's.
    request.buffers_begin_ = span_of(request).begin;
    uint64_t skipped = request.offset - request.buffers_begin_;
    uint64_t left = request.size;
    for (Buffer* buffer = request.buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
        ASSERT(left > 0);
        buffer->payload_offset = uint32_t(skipped);
        buffer->payload_size = uint32_t(std::min<uint64_t>(left, buffer->size - skipped));
        left -= buffer->payload_size;
        skipped = 0;
    }
    ASSERT(left == 0);
    return true;
}

void Disk::release(DiskRequest& request) {
    if (request.is_lent_) cache_->take_back(request.buffers);
    request.is_lent_ = false;
    request.lane->buffers.release(request.buffers);
    request.lane->buffers.release(request.edges_);
}

void Disk::submit(DiskRequest& request) {
    ASSERT(request.offset + request.size >= request.offset);
    ASSERT(request.offset + request.size <= size_);
    ASSERT((request.size > 0) == (request.command != DiskCommand::flush));
    request.start(*this);
}

}  // namespace blockd::storage
