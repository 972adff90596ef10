// What becomes of a read that failed: one bad block should not cost its neighbours, a disk may
// succeed where it is asked again, and who has to mend a disk wants to know where.
//
// Each buffer whose transfer failed is read again in parts: the front half of what is known to
// fail, and of that half again, down to a block of 4 KiB. A part that was read is done with; a
// block that fails decides. Only READs: a write that cannot read a block at its edge fails at once.

#include <algorithm>

#include "storage/disk.h"
#include "storage/disk_lane.h"

namespace blockd::storage {

static_assert(io::data_file_alignment_max <= read_block_size, "a block may be read alone");

namespace {

uint64_t block_begin(uint64_t at) { return at / read_block_size * read_block_size; }

}  // namespace

void DiskRequest::retry_read() {
    retry_ = {.buffer = buffers.front(),
              .buffer_begin = buffers_begin_,
              .deadline_ns = lane->loop.now_ns() + read_retry_ns_max};
    retry_buffer();
}

// The next one that failed; the read succeeded after all when there is none.
void DiskRequest::retry_buffer() {
    while (retry_.buffer != nullptr && !retry_.buffer->transfer.has_failed) {
        retry_.buffer_begin += retry_.buffer->size;
        retry_.buffer = BufferList::next(*retry_.buffer);
    }
    if (retry_.buffer == nullptr) return finish(Ok{});
    retry_.begin = retry_.buffer_begin;
    retry_.end = retry_.buffer_begin + retry_.buffer->size;
    probe_read();
}

// Up to the block's end in the middle of what is left, or to the end of the first block.
void DiskRequest::probe_read() {
    const uint64_t middle = block_begin(retry_.begin + (retry_.end - retry_.begin) / 2);
    const uint64_t end =
        middle > retry_.begin ? middle : block_begin(retry_.begin) + read_block_size;
    submit_piece(Transfer::Kind::read,
                 {.data = retry_.buffer->data + (retry_.begin - retry_.buffer_begin),
                  .offset = retry_.begin,
                  .size = std::min(end, retry_.end) - retry_.begin},
                 io::bind<&DiskRequest::probe_done>(this));
}

void DiskRequest::probe_done(Result<uint32_t> result) {
    const uint64_t probe_end = retry_.begin + transfer_.size;
    if (!result) return probe_failed(result.error(), probe_end);

    retry_.begin = probe_end;
    const uint64_t buffer_end = retry_.buffer_begin + retry_.buffer->size;
    if (retry_.begin == buffer_end) {
        retry_.buffer->transfer.has_failed = false;
        return retry_buffer();
    }
    if (retry_.begin == retry_.end) retry_.end = buffer_end;
    if (lane->loop.now_ns() >= retry_.deadline_ns) return finish(buffers_result_);
    probe_read();
}

void DiskRequest::probe_failed(Error error, uint64_t probe_end) {
    buffers_result_ = error;
    if (transfer_.size <= read_block_size) {
        failed_offset_ = std::max(block_begin(retry_.begin), offset);
        return finish(buffers_result_);
    }
    retry_.end = probe_end;
    ++retry_.failure_count;
    const bool is_late = lane->loop.now_ns() >= retry_.deadline_ns;
    if (is_late || retry_.failure_count == read_retry_failures_max) return finish(buffers_result_);
    probe_read();
}

}  // namespace blockd::storage
