// A data file as a disk of bytes: any offset and any size can be read and written.
//
// - The file wants whole blocks; what is not aligned is widened, writes by reading their edge
//   blocks first (under a range lock).
// - Writes that overlap are done in the order in which they came; reads may see either.
// - Once a sync has failed the disk only reads: see FlushGroup.
// Runs on the loop's thread, and never calls back inside a call.
#pragma once

#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <cstdint>

#include "storage/buffer_pool.h"
#include "storage/disk_request.h"
#include "storage/disk_scheduler.h"
#include "storage/flush_group.h"
#include "storage/range_locks.h"

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
    };

    // What is given by reference is shared by all disks of a loop and outlives them.
    Disk(io::Loop& loop, DiskScheduler& scheduler, BufferPool& pool, const Options& options);
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    uint64_t size() const { return size_; }
    const io::DataFile& file() const { return file_; }

    // Bytes of the pool's arena that reserve() will take.
    uint64_t footprint(const DiskRequest& request) const;

    // Takes the memory that the request needs. False when there is no room now: all or nothing.
    [[nodiscard]] bool reserve(DiskRequest& request);
    void release(DiskRequest& request);

    // Starts a reserved request.
    void submit(DiskRequest& request);

    // A sync failed: writes, and flushes, are refused from then on.
    bool has_failed() const { return flush_group_.has_failed(); }
    uint64_t sync_count() const { return flush_group_.sync_count(); }

    bool can_trim() const { return file_.can_punch_hole; }
    bool can_zero_fast() const { return file_.can_punch_hole || file_.can_zero_range; }

  private:
    friend class DiskRequest;

    uint64_t align_down(uint64_t offset) const { return offset & ~uint64_t(file_.alignment - 1); }
    uint64_t align_up(uint64_t offset) const { return align_down(offset + file_.alignment - 1); }
    uint64_t data_size(const DiskRequest& request) const;
    uint32_t edges_size(const DiskRequest& request) const;

    io::Loop& loop_;
    DiskScheduler& scheduler_;
    BufferPool& pool_;
    io::DataFile file_;
    const uint64_t size_;
    RangeLocks range_locks_;
    FlushGroup flush_group_;
};

}  // namespace blockd::storage
