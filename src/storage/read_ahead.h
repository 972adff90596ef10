// Reads on for whoever reads a disk in sequence, so that the next bytes are in the cache, or on
// their way there, when they are asked for.
//
// A few sequences are followed at a time. One that has proven itself is kept in preference to what
// may be the beginning of another, as long as it goes on. Any thread.
#pragma once

#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "storage/buffer_pool.h"
#include "storage/disk_request.h"
#include "storage/disk_scheduler.h"

namespace blockd::storage {

class Disk;

inline constexpr size_t read_ahead_sequences = 8;

// So many reads, each beginning where the one before it ended, are a sequence.
inline constexpr uint32_t read_ahead_reads_min = 3;

// Bytes of one read ahead, and how far ahead of the last client's read one may begin.
inline constexpr uint32_t read_ahead_size = 256u << 10;
inline constexpr uint64_t read_ahead_distance_max = 512u << 10;

// A sequence that nobody read on in while so many other reads came is over.
inline constexpr uint64_t read_ahead_patience = 1024;

class ReadAhead {
  public:
    explicit ReadAhead(Disk& disk);  // Which has a cache, and outlives this.
    ~ReadAhead();                    // Nothing is on its way.
    ReadAhead(const ReadAhead&) = delete;
    ReadAhead& operator=(const ReadAhead&) = delete;

    // A client of `lane` reads [begin, end). May start a read of what comes behind it, there.
    void note_read(uint64_t begin, uint64_t end, const DiskLane& lane);

    // True when what the request reads is on its way: its ahead_was_read() will be called.
    [[nodiscard]] bool wait_for(DiskRequest& request);

    // No more is read ahead. False when a read is on its way: `stopped` is called after the last,
    // on the thread of the loop that made it.
    [[nodiscard]] bool stop(io::Callback<Result<Ok>> stopped);

  private:
    using WaitingList = IntrusiveList<DiskRequest, &DiskRequest::read_ahead_link_>;

    struct Sequence {
        ReadAhead* owner = nullptr;
        uint64_t next = UINT64_MAX;  // Where the next read begins, if it belongs here.
        uint64_t ahead_end = 0;      // What lies before it has been read ahead.
        uint32_t reads = 0;
        uint64_t last_read = 0;  // Of all clients' reads, as the how manieth.
        bool is_reading = false;
        DiskRequest request;
        Flow flow;  // Its own: its reads are made on this loop and on that.
        WaitingList waiting;

        void read_done(Result<Ok> result) { owner->read_done(*this, result); }
    };

    // With the mutex held.
    Sequence* find(uint64_t begin);
    Sequence* least_promising();
    Sequence* follow(uint64_t begin, uint64_t end);
    bool advance(Sequence& sequence, const DiskLane& lane);
    uint64_t skip_cached(uint64_t begin, uint64_t end) const;

    void read_done(Sequence& sequence, Result<Ok> result);

    Disk& disk_;
    std::mutex mutex_;
    BufferPool pool_;
    std::array<Sequence, read_ahead_sequences> sequences_;
    uint64_t reads_count_ = 0;
    uint32_t reading_count_ = 0;
    bool is_stopping_ = false;
    io::Callback<Result<Ok>> stopped_;
};

}  // namespace blockd::storage
