// One command against a Disk, from its submission until it is done.
//
// Owned by the caller, embedded in what waits; stays put from Disk::submit() until `done` is
// entered. Fill in the public fields, reserve() its memory, submit() it, release() the memory.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>
#include <blockd/io/completion.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/mailbox.h"
#include "storage/buffer_pool.h"
#include "storage/flush_group.h"
#include "storage/range_locks.h"
#include "storage/transfer.h"

namespace blockd::storage {

class Disk;
class Flow;
struct DiskLane;

// A read that failed is made again in parts, down to blocks of so many bytes. It ends without
// having found the bad one after so many parts that failed (eight lead to a bad block; a disk that
// fails more often fails now here, now there), or that long after it began.
inline constexpr uint64_t read_block_size = 4096;
inline constexpr uint32_t read_retry_failures_max = 64;
inline constexpr uint64_t read_retry_ns_max = 5'000'000'000;

enum class DiskCommand : uint8_t { read, write, write_zeroes, trim, flush, extents };

class DiskRequest {
  public:
    DiskCommand command = DiskCommand::read;
    bool is_durable = false;    // Done only once what was written survives a power cut.
    bool keeps_blocks = false;  // write_zeroes: the range stays, or gets, allocated.
    bool must_be_fast = false;  // write_zeroes: Error{not_supported}, and no change, unless quick.
    uint64_t offset = 0;        // Bytes; any alignment, inside the disk.
    uint64_t size = 0;          // Bytes; 0 only for flush.
    uint32_t extents_max = 0;   // extents: 1 to disk_extents_max.
    const DiskLane* lane = nullptr;  // The loop that it belongs to, for good.
    Flow* flow = nullptr;            // Whose turn it takes.
    io::Callback<Result<Ok>> done;

    // From reserve() on: where a read's bytes will be, and where a write's have to be, in order:
    // Buffer::payload().
    BufferList buffers;

    // After an extents command.
    std::span<const io::Extent> extents() const;

    // After a read that failed: where the first block that could not be read begins, or the request
    // inside it; nothing when it was not found.
    std::optional<uint64_t> failed_offset() const { return failed_offset_; }

  private:
    friend class Disk;
    friend class ReadAhead;

    // What it waited for on other loops, on any thread: disk_request.cc.
    void lock_granted(Result<Ok> result);
    void synced(Result<Ok> result);
    void ahead_was_read();
    void hand_over(io::Callback<Result<Ok>> next, Result<Ok> result);

    // Common: disk_request.cc.
    void start(Disk& disk);
    bool takes_lock() const { return lock_.begin < lock_.end; }
    void start_locked(Result<Ok> result);
    void changed();
    void finish_later(Result<Ok> result);
    void finish_tick(Result<Ok> result);
    void finish(Result<Ok> result);

    struct Piece {
        std::byte* data;  // Unused where no bytes are moved.
        uint64_t offset;
        uint64_t size;
    };
    void submit_piece(Transfer::Kind kind, const Piece& piece,
                      io::Callback<Result<uint32_t>> piece_done);

    // Reads and writes: disk_read_write.cc.
    void start_read();
    void read_from_disk();
    void resume_read(Result<Ok> result);
    void start_buffers(Transfer::Kind kind);
    void buffer_done(Result<uint32_t> result);
    void start_write();
    void read_tail();
    void read_head_done(Result<uint32_t> result);
    void read_tail_done(Result<uint32_t> result);
    void write_tail_from(const std::byte* block);
    void start_extents();
    void extents_done(Result<uint32_t> result);

    // Reads that failed: disk_read_retry.cc.
    void retry_read();
    void retry_buffer();
    void probe_read();
    void probe_done(Result<uint32_t> result);
    void probe_failed(Error error, uint64_t probe_end);

    // Zeroes and holes: disk_zero.cc.
    void start_trim();
    void start_write_zeroes();
    void zero_inner();
    void zero_inner_done(Result<uint32_t> result);
    void punch();
    void punch_done(Result<uint32_t> result);
    void zero_edges();
    void zero_edge(uint64_t begin, uint64_t end);
    void read_edge_done(Result<uint32_t> result);
    void write_edge();
    void write_edge_done(Result<uint32_t> result);

    Disk* disk_ = nullptr;
    uint64_t buffers_begin_ = 0;  // Where in the file `buffers` begin.
    BufferList edges_;            // At most one buffer: blocks that are changed in part.
    RangeLock lock_;
    Transfer transfer_;  // Whatever is not one of `buffers`.
    FlushWaiter flush_waiter_;
    io::Letter letter_;  // To its own loop, from another one that it waited for.
    io::Completion tick_;
    Result<Ok> tick_result_ = Ok{};
    Result<Ok> buffers_result_ = Ok{};
    uint32_t buffers_pending_ = 0;
    uint32_t extent_count_ = 0;
    std::optional<uint64_t> failed_offset_;

    // A read that is tried again: what of `buffer` lies before `begin` is read, and somewhere
    // before `end` it failed. Offsets in the file.
    struct ReadRetry {
        Buffer* buffer;
        uint64_t buffer_begin;
        uint64_t begin;
        uint64_t end;
        uint64_t deadline_ns;
        uint32_t failure_count;
    };
    ReadRetry retry_{};

    // A read and the cache: disk_cache.cc.
    bool is_lent_ = false;                  // `buffers` are the cache's.
    bool is_read_ahead_ = false;            // Not a client's.
    std::optional<uint64_t> cache_moment_;  // Nothing: what it reads may not be kept.
    ListLink<DiskRequest> read_ahead_link_;

    // write_zeroes and trim: [cursor_, inner_end_) of whole blocks is left to do, then the edges.
    uint64_t cursor_ = 0;
    uint64_t inner_end_ = 0;
    uint64_t edge_begin_ = 0;
    uint64_t edge_end_ = 0;
    uint8_t edges_zeroed_ = 0;
};

}  // namespace blockd::storage
