// Orders writes that overlap: each holds the bytes that it changes, and a later one waits.
//
// Two reasons. A write that is not aligned reads its edge blocks and writes them back; another
// write to these blocks in between would be undone. And a write of a connection that broke must
// not land on top of a newer one that the client sent over its next connection. Reads take no
// lock. First come, first served. Any thread.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace blockd::storage {

// One range of bytes, held or waited for. Owned by its writer; stays put meanwhile.
struct RangeLock {
    uint64_t begin = 0;
    uint64_t end = 0;

    // Called once the range is held, unless acquire() said so at once: on the thread of whoever
    // released what was in the way.
    io::Callback<Result<Ok>> granted;

    // The table's own.
    ListLink<RangeLock> link;
    uint32_t held_index = 0;
};

class RangeLocks {
  public:
    // `locks_max`: how many can be held at a time.
    explicit RangeLocks(uint32_t locks_max);
    RangeLocks(const RangeLocks&) = delete;
    RangeLocks& operator=(const RangeLocks&) = delete;
    ~RangeLocks();

    // True when the range is held now; else `granted` follows, from within a release().
    [[nodiscard]] bool acquire(RangeLock& lock);
    void release(RangeLock& lock);

    // Whether a byte of the range is held by somebody.
    bool is_held(uint64_t begin, uint64_t end) const;

    size_t held_count() const;
    size_t waiting_count() const;

  private:
    // Begin and end beside each other: the scan of all held ranges touches four per cache line.
    struct Held {
        uint64_t begin;
        uint64_t end;
    };
    using WaitingList = IntrusiveList<RangeLock, &RangeLock::link>;

    static bool overlaps_before(const WaitingList& waiting, const RangeLock& lock);
    bool overlaps_held(const Held& range) const;
    void hold(RangeLock& lock);
    void let_go(RangeLock& lock);
    void grant(WaitingList& granted);

    mutable std::mutex mutex_;
    std::vector<Held> held_;
    std::vector<RangeLock*> holders_;
    WaitingList waiting_;
};

}  // namespace blockd::storage
