// Reads, writes and the question which parts are holes.

#include <blockd/assert.h>

#include <cstring>

#include "storage/disk.h"
#include "storage/disk_lane.h"

namespace blockd::storage {

// Who reads on in sequence finds the bytes in the cache, or on their way there.
void DiskRequest::start_read() {
    if (!disk_->is_cacheable(*this)) return start_buffers(Transfer::Kind::read);
    if (is_read_ahead_) return read_from_disk();

    disk_->read_ahead_->note_read(offset, offset + size, *lane);
    disk_->count_cached_read(is_lent_);
    if (is_lent_) return finish_later(Ok{});
    if (disk_->read_ahead_->wait_for(*this)) return;
    read_from_disk();
}

// What it waited for was read ahead; what was changed meanwhile is missing in the cache.
void DiskRequest::resume_read(Result<Ok>) {
    if (disk_->copy_cached(*this)) return finish(Ok{});
    read_from_disk();
}

// What is being changed meanwhile, or is about to be, may not be kept: it may be from before.
void DiskRequest::read_from_disk() {
    cache_moment_ = disk_->cache_moment(*this);
    start_buffers(Transfer::Kind::read);
}

// All buffers at once: the scheduler sees to it that others get their turns in between.
void DiskRequest::start_buffers(Transfer::Kind kind) {
    ASSERT(!buffers.is_empty());
    buffers_result_ = Ok{};
    buffers_pending_ = uint32_t(buffers.count());
    uint64_t at = buffers_begin_;
    for (Buffer* buffer = buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
        Transfer& transfer = buffer->transfer;
        transfer.kind = kind;
        transfer.file = disk_->file_.fd;
        transfer.data = buffer->data;
        transfer.offset = at;
        transfer.size = buffer->size;
        transfer.done = io::bind<&DiskRequest::buffer_done>(this);
        lane->scheduler.submit(*flow, transfer);
        at += buffer->size;
    }
}

void DiskRequest::buffer_done(Result<uint32_t> result) {
    ASSERT(buffers_pending_ > 0);
    if (!result) buffers_result_ = result.error();
    if (--buffers_pending_ > 0) return;
    const bool is_read = command == DiskCommand::read;
    if (is_read && buffers_result_) disk_->fill_cache(*this);
    if (is_read && !buffers_result_ && !is_read_ahead_) return retry_read();
    if (is_read || !buffers_result_) return finish(buffers_result_);
    changed();
}

// The blocks at the edges keep the bytes that the client did not write: they are read, and put
// around the payload.
void DiskRequest::start_write() {
    if (edges_.is_empty()) return start_buffers(Transfer::Kind::write);

    const uint32_t block_size = disk_->file_.alignment;
    if (offset % block_size == 0) return read_tail();
    submit_piece(
        Transfer::Kind::read,
        {.data = edges_.front()->data, .offset = disk_->align_down(offset), .size = block_size},
        io::bind<&DiskRequest::read_head_done>(this));
}

void DiskRequest::read_head_done(Result<uint32_t> result) {
    if (!result) return finish(result.error());
    const Buffer& first = *buffers.front();
    std::memcpy(first.data, edges_.front()->data, first.payload_offset);

    // A write inside one block: its tail is in the block that was just read.
    const bool is_one_block = first.size == disk_->file_.alignment;
    if (is_one_block) return write_tail_from(edges_.front()->data);
    read_tail();
}

void DiskRequest::read_tail() {
    const uint32_t block_size = disk_->file_.alignment;
    const uint64_t end = offset + size;
    if (end % block_size == 0) return start_buffers(Transfer::Kind::write);
    submit_piece(Transfer::Kind::read,
                 {.data = edges_.front()->data + block_size,
                  .offset = disk_->align_down(end),
                  .size = block_size},
                 io::bind<&DiskRequest::read_tail_done>(this));
}

void DiskRequest::read_tail_done(Result<uint32_t> result) {
    if (!result) return finish(result.error());
    write_tail_from(edges_.front()->data + disk_->file_.alignment);
}

// `block` is what the disk holds where the last buffer's last block goes.
void DiskRequest::write_tail_from(const std::byte* block) {
    const uint32_t block_size = disk_->file_.alignment;
    const Buffer& last = *buffers.back();
    const uint32_t payload_end = last.payload_offset + last.payload_size;
    const uint32_t kept = last.size - payload_end;
    ASSERT(kept < block_size);
    std::memcpy(last.data + payload_end, block + (block_size - kept), kept);
    start_buffers(Transfer::Kind::write);
}

void DiskRequest::start_extents() {
    ASSERT(extents_max >= 1);
    ASSERT(extents_max <= disk_extents_max);
    auto* const array = reinterpret_cast<io::Extent*>(buffers.front()->data);
    if (!disk_->file_.can_report_extents) {
        array[0] = {.size = size, .is_hole = false};
        extent_count_ = 1;
        return finish_later(Ok{});
    }
    transfer_.extents = array;
    transfer_.extents_max = extents_max;
    transfer_.kind = Transfer::Kind::extents;
    transfer_.file = disk_->file_.fd;
    transfer_.offset = offset;
    transfer_.size = size;
    transfer_.done = io::bind<&DiskRequest::extents_done>(this);
    lane->scheduler.submit(*flow, transfer_);
}

void DiskRequest::extents_done(Result<uint32_t> result) {
    if (!result) return finish(result.error());
    extent_count_ = *result;
    ASSERT(extent_count_ >= 1);
    ASSERT(extent_count_ <= extents_max);
    finish(Ok{});
}

std::span<const io::Extent> DiskRequest::extents() const {
    ASSERT(command == DiskCommand::extents);
    return {reinterpret_cast<const io::Extent*>(buffers.front()->data), extent_count_};
}

}  // namespace blockd::storage
