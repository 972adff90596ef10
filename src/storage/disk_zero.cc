// Trimming and zeroing: whole blocks by the file system's own means where it has them, the edges
// by writing.

#include <blockd/assert.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "storage/disk.h"

namespace blockd::storage {

namespace {

// What is written where the file system can neither punch nor zero. Never written to.
alignas(16 << 10) constinit std::array<std::byte, buffer_size_max> zeroes{};

uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

uint64_t round_down(uint64_t value, uint64_t unit) { return value / unit * unit; }

}  // namespace

// A trim is a hint: it takes the whole blocks inside the range, and leaves the rest as it is.
void DiskRequest::start_trim() {
    const uint32_t block_size = disk_->file_.hole_alignment;
    cursor_ = round_up(offset, block_size);
    inner_end_ = round_down(offset + size, block_size);
    if (cursor_ >= inner_end_ || !disk_->can_punch_hole_) return finish_later(Ok{});
    punch();
}

void DiskRequest::punch() {
    const uint64_t step = std::min(inner_end_ - cursor_, disk_hole_size_max);
    submit_piece(Transfer::Kind::punch_hole, {.data = nullptr, .offset = cursor_, .size = step},
                 io::bind<&DiskRequest::punch_done>(this));
}

void DiskRequest::punch_done(Result<uint32_t> result) {
    if (!result && result.error().code == ErrorCode::not_supported) {
        disk_->can_punch_hole_ = false;
        return changed();
    }
    if (!result) return finish(result.error());
    cursor_ += transfer_.size;
    if (cursor_ == inner_end_) return changed();
    punch();
}

void DiskRequest::start_write_zeroes() {
    const uint32_t block_size = disk_->file_.hole_alignment;
    cursor_ = round_up(offset, block_size);
    inner_end_ = std::max(cursor_, round_down(offset + size, block_size));
    edges_zeroed_ = 0;
    zero_inner();
}

// The inner blocks come before the edges, so that a request which must be fast and cannot has
// changed nothing.
void DiskRequest::zero_inner() {
    if (cursor_ >= inner_end_) return zero_edges();

    const bool punches = disk_->can_punch_hole_ && !keeps_blocks;
    if (!punches && !disk_->can_zero_range_) {
        if (must_be_fast) {
            return finish_later(
                Error{.code = ErrorCode::not_supported, .during = "zero without writing"});
        }
        const uint64_t step = std::min<uint64_t>(inner_end_ - cursor_, zeroes.size());
        return submit_piece(Transfer::Kind::write,
                            {.data = zeroes.data(), .offset = cursor_, .size = step},
                            io::bind<&DiskRequest::zero_inner_done>(this));
    }
    const uint64_t step = std::min(inner_end_ - cursor_, disk_hole_size_max);
    submit_piece(punches ? Transfer::Kind::punch_hole : Transfer::Kind::zero_range,
                 {.data = nullptr, .offset = cursor_, .size = step},
                 io::bind<&DiskRequest::zero_inner_done>(this));
}

void DiskRequest::zero_inner_done(Result<uint32_t> result) {
    if (result) {
        cursor_ += transfer_.size;
        return zero_inner();
    }
    // The file system said no to what it seemed to know: try the next best way.
    const bool is_refused = result.error().code == ErrorCode::not_supported;
    if (is_refused && transfer_.kind == Transfer::Kind::punch_hole) {
        disk_->can_punch_hole_ = false;
        return zero_inner();
    }
    if (is_refused && transfer_.kind == Transfer::Kind::zero_range) {
        disk_->can_zero_range_ = false;
        return zero_inner();
    }
    finish(result.error());
}

// Head, then tail; a range inside one block is a head alone.
void DiskRequest::zero_edges() {
    const uint32_t block_size = disk_->file_.hole_alignment;
    const uint64_t end = offset + size;
    const uint64_t head_end = std::min(end, round_up(offset, block_size));
    const uint64_t tail_begin = std::max(head_end, round_down(end, block_size));
    if (edges_zeroed_ == 0) {
        edges_zeroed_ = 1;
        if (offset < head_end) return zero_edge(offset, head_end);
    }
    if (edges_zeroed_ == 1) {
        edges_zeroed_ = 2;
        if (tail_begin < end) return zero_edge(tail_begin, end);
    }
    changed();
}

void DiskRequest::zero_edge(uint64_t begin, uint64_t end) {
    edge_begin_ = begin;
    edge_end_ = end;
    const uint64_t block_begin = disk_->align_down(begin);
    const uint64_t block_end = disk_->align_up(end);
    ASSERT(block_end - block_begin <= edges_.front()->size);
    if (block_begin == begin && block_end == end) return write_edge();
    submit_piece(
        Transfer::Kind::read,
        {.data = edges_.front()->data, .offset = block_begin, .size = block_end - block_begin},
        io::bind<&DiskRequest::read_edge_done>(this));
}

void DiskRequest::read_edge_done(Result<uint32_t> result) {
    if (!result) return finish(result.error());
    write_edge();
}

void DiskRequest::write_edge() {
    std::byte* const block = edges_.front()->data;
    const uint64_t block_begin = disk_->align_down(edge_begin_);
    const uint64_t block_end = disk_->align_up(edge_end_);
    std::memset(block + (edge_begin_ - block_begin), 0, edge_end_ - edge_begin_);
    submit_piece(Transfer::Kind::write,
                 {.data = block, .offset = block_begin, .size = block_end - block_begin},
                 io::bind<&DiskRequest::write_edge_done>(this));
}

void DiskRequest::write_edge_done(Result<uint32_t> result) {
    if (!result) return finish(result.error());
    zero_edges();
}

}  // namespace blockd::storage
