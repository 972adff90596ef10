// A data file as a disk of bytes: any offset and any size can be read and written.
//
// - The file wants whole blocks; what is not aligned is widened, writes by reading their edge
//   blocks first (under a range lock).
// - Writes that overlap are done in the order in which they came; reads may see either.
// - Once a sync has failed the disk only reads: see FlushGroup.
// - What is read or written in small pieces may be kept in memory: see BlockCache, ReadAhead.
// Serves several loops at a time: see DiskLane. Never calls back inside a call.
#pragma once

#include <blockd/io/data_file.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "storage/block_cache.h"
#include "storage/disk_request.h"
#include "storage/flush_group.h"
#include "storage/range_locks.h"
#include "storage/read_ahead.h"

namespace blockd::storage {

// Of one extents command.
inline constexpr uint32_t disk_extents_max = 1024;
static_assert(disk_extents_max * sizeof(io::Extent) <= buffer_size_max);

// Bytes of one punch_hole or zero_range, so that a command for a whole disk holds a worker only
// for a moment at a time.
inline constexpr uint64_t disk_hole_size_max = 1u << 30;

class Disk {
  public:
    struct Options {
        io::DataFile file;
        uint64_t size;          // Bytes that the disk shows, at most file.size.
        uint32_t requests_max;  // Requests in flight at a time.
        uint64_t cache_size;    // Bytes; 0: no cache. See BlockCache.
    };

    explicit Disk(const Options& options);
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    uint64_t size() const { return size_; }
    const io::DataFile& file() const { return file_; }

    // Bytes of its lane's buffers that reserve() will take.
    uint64_t footprint(const DiskRequest& request) const;

    // Takes the memory that the request needs. False when there is no room now: all or nothing.
    [[nodiscard]] bool reserve(DiskRequest& request);
    void release(DiskRequest& request);

    // Starts a reserved request.
    void submit(DiskRequest& request);

    // A sync failed: writes, and flushes, are refused from then on.
    bool has_failed() const { return flush_group_.has_failed(); }
    uint64_t sync_count() const { return flush_group_.sync_count(); }

    bool has_cache() const { return cache_ != nullptr; }

    // Whether a read of `size` bytes would be kept.
    bool can_cache(uint64_t size) const { return has_cache() && size <= cache_request_size_max; }

    // Of requests that may come from the cache: how many did, and how many had to ask the disk.
    uint64_t cache_hit_count() const { return cache_hit_count_; }
    uint64_t cache_miss_count() const { return cache_miss_count_; }

    // Nothing is read ahead any more. False when a read is still on its way: `stopped` follows, on
    // the thread of the loop that read.
    [[nodiscard]] bool stop_reading_ahead(io::Callback<Result<Ok>> stopped);

    bool can_trim() const { return can_punch_hole_; }
    bool can_zero_fast() const { return can_punch_hole_ || can_zero_range_; }

  private:
    friend class DiskRequest;
    friend class ReadAhead;

    struct Span {  // Bytes of the file.
        uint64_t begin;
        uint64_t end;
    };

    uint64_t align_down(uint64_t offset) const { return offset & ~uint64_t(file_.alignment - 1); }
    uint64_t align_up(uint64_t offset) const { return align_down(offset + file_.alignment - 1); }
    Span span_of(const DiskRequest& request) const;
    uint64_t data_size(const DiskRequest& request) const;
    uint32_t edges_size(const DiskRequest& request) const;

    // With the cache: disk_cache.cc.
    bool is_cacheable(const DiskRequest& request) const;
    void count_cached_read(bool is_hit);
    bool lend_cached(DiskRequest& request);
    std::optional<uint64_t> cache_moment(const DiskRequest& request) const;
    void fill_cache(const DiskRequest& request);
    bool copy_cached(DiskRequest& request);
    void begin_change(const RangeLock& lock);
    void cache_written(const DiskRequest& request);

    const io::DataFile file_;
    const uint64_t size_;
    // Until the file system says no to what it seemed to know.
    std::atomic<bool> can_punch_hole_;
    std::atomic<bool> can_zero_range_;
    RangeLocks range_locks_;
    FlushGroup flush_group_;
    std::unique_ptr<BlockCache> cache_;  // nullptr: none; then there is no ReadAhead either.
    std::unique_ptr<ReadAhead> read_ahead_;
    std::atomic<uint64_t> cache_hit_count_ = 0;
    std::atomic<uint64_t> cache_miss_count_ = 0;
};

}  // namespace blockd::storage
