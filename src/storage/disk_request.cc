#include "storage/disk_request.h"

#include <blockd/assert.h>

#include "storage/disk.h"

namespace blockd::storage {

namespace {

constexpr Error disk_failed = {.code = ErrorCode::disk, .during = "write after a failed sync"};

}  // namespace

void DiskRequest::start(Disk& disk) {
    ASSERT(done);
    disk_ = &disk;
    failed_offset_.reset();
    cache_moment_.reset();
    lock_.begin = 0;
    lock_.end = 0;
    if (command == DiskCommand::read) return start_read();
    if (command == DiskCommand::extents) return start_extents();

    if (disk.has_failed()) return finish_later(disk_failed);
    if (command == DiskCommand::flush) {
        flush_waiter_.done = io::bind<&DiskRequest::finish>(this);
        return disk.flush_group_.join(flush_waiter_);
    }
    lock_.begin = disk.align_down(offset);
    lock_.end = disk.align_up(offset + size);
    lock_.granted = io::bind<&DiskRequest::granted>(this);
    if (disk.range_locks_.acquire(lock_)) start_locked();
}

void DiskRequest::granted(Result<Ok>) { start_locked(); }

void DiskRequest::start_locked() {
    // The sync may have failed while this request waited for its range.
    if (disk_->has_failed()) return finish_later(disk_failed);
    disk_->begin_change(lock_);
    switch (command) {
        case DiskCommand::write: return start_write();
        case DiskCommand::write_zeroes: return start_write_zeroes();
        case DiskCommand::trim: return start_trim();
        case DiskCommand::read:
        case DiskCommand::extents:
        case DiskCommand::flush: ASSERT(false);
    }
}

// The disk holds what the request wanted it to hold. Not called from inside submit().
void DiskRequest::changed() {
    if (takes_lock()) {
        if (command == DiskCommand::write) disk_->cache_written(*this);
        disk_->range_locks_.release(lock_);
        lock_.end = lock_.begin;
    }
    if (!is_durable) return finish(Ok{});
    if (disk_->has_failed()) return finish(disk_failed);
    flush_waiter_.done = io::bind<&DiskRequest::finish>(this);
    disk_->flush_group_.join(flush_waiter_);
}

// `result` reaches the caller from the loop, never from inside submit().
void DiskRequest::finish_later(Result<Ok> result) {
    tick_result_ = result;
    disk_->loop_.next_tick(tick_, io::bind<&DiskRequest::finish_tick>(this));
}

void DiskRequest::finish_tick(Result<Ok>) { finish(tick_result_); }

void DiskRequest::finish(Result<Ok> result) {
    if (takes_lock()) {
        disk_->range_locks_.release(lock_);
        lock_.end = lock_.begin;
    }
    done(result);  // Last: it may destroy the request.
}

void DiskRequest::submit_piece(Transfer::Kind kind, const Piece& piece,
                               io::Callback<Result<uint32_t>> piece_done) {
    transfer_.kind = kind;
    transfer_.file = disk_->file_.fd;
    transfer_.data = piece.data;
    transfer_.offset = piece.offset;
    transfer_.size = piece.size;
    transfer_.done = piece_done;
    disk_->scheduler_.submit(*flow, transfer_);
}

}  // namespace blockd::storage
