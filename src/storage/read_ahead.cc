#include "storage/read_ahead.h"

#include <blockd/assert.h>

#include <algorithm>

#include "storage/disk.h"

namespace blockd::storage {

static_assert(read_ahead_size <= cache_request_size_max);
static_assert(read_ahead_size % cache_block_size == 0);
static_assert(read_ahead_distance_max % cache_block_size == 0);
static_assert(read_ahead_sequences * read_ahead_size % buffer_size_max == 0);

ReadAhead::ReadAhead(Disk& disk)
    : disk_(disk),
      pool_({.arena_size = read_ahead_sequences * read_ahead_size,
             .buffers_max = read_ahead_sequences}) {
    for (Sequence& sequence : sequences_) sequence.owner = this;
}

ReadAhead::~ReadAhead() { ASSERT(reading_count_ == 0); }

void ReadAhead::note_read(uint64_t begin, uint64_t end, const DiskLane& lane) {
    Sequence* sequence = nullptr;
    {
        const std::lock_guard guard(mutex_);
        sequence = follow(begin, end);
        if (sequence == nullptr || !advance(*sequence, lane)) return;
    }
    disk_.submit(sequence->request);
}

// The sequence that the read belongs to, if it has proven itself.
ReadAhead::Sequence* ReadAhead::follow(uint64_t begin, uint64_t end) {
    ++reads_count_;
    Sequence* sequence = find(begin);
    if (sequence == nullptr) {
        sequence = least_promising();
        if (sequence == nullptr) return nullptr;
        sequence->reads = 0;
        sequence->ahead_end = 0;
    }
    sequence->next = end;
    sequence->last_read = reads_count_;
    if (sequence->reads < read_ahead_reads_min) ++sequence->reads;
    return sequence->reads == read_ahead_reads_min ? sequence : nullptr;
}

ReadAhead::Sequence* ReadAhead::find(uint64_t begin) {
    const auto found = std::ranges::find(sequences_, begin, &Sequence::next);
    return found == sequences_.end() ? nullptr : &*found;
}

// nullptr when all of them go on.
ReadAhead::Sequence* ReadAhead::least_promising() {
    Sequence* found = nullptr;
    for (Sequence& sequence : sequences_) {
        const bool goes_on = sequence.reads == read_ahead_reads_min &&
                             reads_count_ - sequence.last_read < read_ahead_patience;
        if (sequence.is_reading || goes_on) continue;
        if (found == nullptr || sequence.last_read < found->last_read) found = &sequence;
    }
    return found;
}

// True when its request is to be submitted.
bool ReadAhead::advance(Sequence& sequence, const DiskLane& lane) {
    if (sequence.is_reading || is_stopping_ || disk_.has_failed()) return false;
    const uint64_t next = (sequence.next + cache_block_size - 1) & ~uint64_t(cache_block_size - 1);
    const uint64_t limit =
        std::min(next + read_ahead_distance_max, disk_.size() & ~uint64_t(cache_block_size - 1));
    const uint64_t begin = skip_cached(std::max(sequence.ahead_end, next), limit);
    sequence.ahead_end = begin;
    if (begin >= limit) return false;

    DiskRequest& request = sequence.request;
    request.command = DiskCommand::read;
    request.offset = begin;
    request.size = std::min<uint64_t>(read_ahead_size,
                                      (disk_.size() & ~uint64_t(cache_block_size - 1)) - begin);
    request.lane = &lane;
    request.flow = &sequence.flow;
    request.done = io::bind<&Sequence::read_done>(&sequence);
    request.is_read_ahead_ = true;
    request.buffers_begin_ = begin;
    if (!pool_.allocate(request.size, request.buffers)) return false;
    sequence.is_reading = true;
    sequence.ahead_end = begin + request.size;
    ++reading_count_;
    return true;
}

uint64_t ReadAhead::skip_cached(uint64_t begin, uint64_t end) const {
    while (begin < end && disk_.cache_->contains(begin)) begin += cache_block_size;
    return begin;
}

bool ReadAhead::wait_for(DiskRequest& request) {
    const std::lock_guard guard(mutex_);
    for (Sequence& sequence : sequences_) {
        const DiskRequest& ahead = sequence.request;
        const bool is_inside = sequence.is_reading && request.offset >= ahead.offset &&
                               request.offset + request.size <= ahead.offset + ahead.size;
        if (!is_inside) continue;
        sequence.waiting.push_back(request);
        return true;
    }
    return false;
}

// What could not be read ahead, those who wait for it read themselves, and are told.
void ReadAhead::read_done(Sequence& sequence, Result<Ok> result) {
    WaitingList resumed;
    bool goes_on = false;
    io::Callback<Result<Ok>> stopped;
    {
        const std::lock_guard guard(mutex_);
        pool_.release(sequence.request.buffers);
        sequence.is_reading = false;
        --reading_count_;
        if (!result) sequence.reads = 0;
        resumed.append(sequence.waiting);
        const bool is_proven = sequence.reads == read_ahead_reads_min;
        goes_on = result && is_proven && advance(sequence, *sequence.request.lane);
        if (is_stopping_ && reading_count_ == 0) stopped = stopped_;
    }
    if (goes_on) disk_.submit(sequence.request);
    while (DiskRequest* const request = resumed.pop_front()) request->ahead_was_read();
    if (stopped) stopped(Ok{});  // Last: it may destroy this.
}

bool ReadAhead::stop(io::Callback<Result<Ok>> stopped) {
    const std::lock_guard guard(mutex_);
    is_stopping_ = true;
    stopped_ = stopped;
    return reading_count_ == 0;
}

}  // namespace blockd::storage
