// What becomes of a read that failed: one bad block should not cost its neighbours, a disk may
// succeed where it is asked again, and who has to mend a disk wants to know where.
//
// Each buffer whose transfer failed is read again in parts: the front half of what is known to
// fail, and of that half again, down to one block. A part that can be read is done with. So the
// blocks before a bad one are read once or twice more, and the bad one alone decides.

#include <algorithm>

#include "storage/disk.h"

namespace blockd::storage {

namespace {

// Drives of today lose no less at once, even where they take smaller requests.
uint64_t bad_block_size(const io::DataFile& file) {
    return std::max<uint64_t>(4096, file.alignment);
}

}  // namespace

void DiskRequest::retry_read() {
    retry_ = {.buffer = buffers.front(), .buffer_begin = disk_->align_down(offset)};
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

void DiskRequest::probe_read() {
    if (retry_.probe_count == read_probes_max) return finish(buffers_result_);
    ++retry_.probe_count;
    const uint64_t block_size = bad_block_size(disk_->file_);
    const uint64_t rest = retry_.end - retry_.begin;
    const uint64_t half = std::max(rest / 2 / block_size * block_size, block_size);
    submit_piece(Transfer::Kind::read,
                 {.data = retry_.buffer->data + (retry_.begin - retry_.buffer_begin),
                  .offset = retry_.begin,
                  .size = std::min(half, rest)},
                 io::bind<&DiskRequest::probe_done>(this));
}

void DiskRequest::probe_done(Result<uint32_t> result) {
    const uint64_t probe_end = retry_.begin + transfer_.size;
    if (!result) {
        buffers_result_ = result.error();
        retry_.end = probe_end;
        if (transfer_.size > bad_block_size(disk_->file_)) return probe_read();
        failed_offset_ = std::max(retry_.begin, offset);
        return finish(buffers_result_);
    }
    retry_.begin = probe_end;
    const uint64_t buffer_end = retry_.buffer_begin + retry_.buffer->size;
    if (retry_.begin == buffer_end) {
        retry_.buffer->transfer.has_failed = false;
        return retry_buffer();
    }
    if (retry_.begin == retry_.end) retry_.end = buffer_end;
    probe_read();
}

}  // namespace blockd::storage
