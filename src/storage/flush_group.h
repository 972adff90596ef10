// Makes writes durable, many with one sync.
//
// One sync runs per data file. Whoever asks while it runs joins the next one, never the running
// one: that may have begun before the asker's write was done. The first sync that fails ends the
// file's writing for good. The system may have dropped the data and report success the next time,
// so a failed sync is never repeated. Any thread.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>
#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace blockd::storage {

// Owned by whoever waits; stays put until `done` is entered, on the thread of the loop that made
// the sync.
struct FlushWaiter {
    io::Callback<Result<Ok>> done;
    ListLink<FlushWaiter> link;
};

class FlushGroup {
  public:
    explicit FlushGroup(const io::DataFile& file);
    FlushGroup(const FlushGroup&) = delete;
    FlushGroup& operator=(const FlushGroup&) = delete;
    ~FlushGroup();

    // Calls back once every write that was done before this call is durable, or Error{disk}; never
    // inside the call. `loop` is the caller's: it makes the sync when no sync runs. False when one
    // has failed, and then nothing is called.
    [[nodiscard]] bool join(FlushWaiter& waiter, io::Loop& loop);

    // A sync failed: what was written since the last good one may be lost.
    bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
    uint64_t sync_count() const { return sync_count_.load(std::memory_order_relaxed); }

  private:
    using WaiterList = IntrusiveList<FlushWaiter, &FlushWaiter::link>;

    void start(io::Loop& loop);
    void sync_done(Result<Ok> result);

    const io::DataFile& file_;
    std::mutex mutex_;
    io::Completion completion_;
    io::Loop* loop_ = nullptr;  // Which makes the sync that runs; nullptr: none does.
    WaiterList running_;
    WaiterList waiting_;
    std::atomic<uint64_t> sync_count_ = 0;
    std::atomic<bool> has_failed_ = false;
};

}  // namespace blockd::storage
