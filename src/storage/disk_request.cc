#include "storage/disk_request.h"

#include <blockd/assert.h>

#include "storage/disk.h"
#include "storage/disk_lane.h"

namespace blockd::storage {

namespace {

constexpr Error disk_failed = {.code = ErrorCode::disk, .during = "write after a failed sync"};

}  // namespace

void DiskRequest::start(Disk& disk) {
    ASSERT(done);
    ASSERT(lane != nullptr);
    disk_ = &disk;
    failed_offset_.reset();
    cache_moment_.reset();
    lock_.begin = 0;
    lock_.end = 0;
    if (command == DiskCommand::read) return start_read();
    if (command == DiskCommand::extents) return start_extents();

    if (disk.has_failed()) return finish_later(disk_failed);
    if (command == DiskCommand::flush) {
        flush_waiter_.done = io::bind<&DiskRequest::synced>(this);
        if (!disk.flush_group_.join(flush_waiter_, lane->loop)) finish_later(disk_failed);
        return;
    }
    lock_.begin = disk.align_down(offset);
    lock_.end = disk.align_up(offset + size);
    lock_.granted = io::bind<&DiskRequest::lock_granted>(this);
    if (disk.range_locks_.acquire(lock_)) start_locked(Ok{});
}

void DiskRequest::lock_granted(Result<Ok> result) {
    hand_over(io::bind<&DiskRequest::start_locked>(this), result);
}

void DiskRequest::synced(Result<Ok> result) {
    hand_over(io::bind<&DiskRequest::finish>(this), result);
}

void DiskRequest::ahead_was_read() { hand_over(io::bind<&DiskRequest::resume_read>(this), Ok{}); }

// Goes on with `next` on its own loop: at once when that is the caller's.
void DiskRequest::hand_over(io::Callback<Result<Ok>> next, Result<Ok> result) {
    letter_.deliver = next;
    letter_.result = result;
    lane->mailbox.hand_over(letter_);
}

void DiskRequest::start_locked(Result<Ok>) {
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
    flush_waiter_.done = io::bind<&DiskRequest::synced>(this);
    if (!disk_->flush_group_.join(flush_waiter_, lane->loop)) finish(disk_failed);
}

// `result` reaches the caller from the loop, never from inside submit().
void DiskRequest::finish_later(Result<Ok> result) {
    tick_result_ = result;
    lane->loop.next_tick(tick_, io::bind<&DiskRequest::finish_tick>(this));
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
    lane->scheduler.submit(*flow, transfer_);
}

}  // namespace blockd::storage
