// Makes writes durable, many with one sync.
//
// One sync runs per data file. Whoever asks while it runs joins the next one, never the running
// one: that may have begun before the asker's write was done. The first sync that fails ends the
// file's writing for good. The system may have dropped the data and report success the next time,
// so a failed sync is never repeated. Runs on the loop's thread.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>
#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <cstdint>

namespace blockd::storage {

// Owned by whoever waits; stays put until `done` is entered.
struct FlushWaiter {
    io::Callback<Result<Ok>> done;
    ListLink<FlushWaiter> link;
};

class FlushGroup {
  public:
    FlushGroup(io::Loop& loop, const io::DataFile& file);
    FlushGroup(const FlushGroup&) = delete;
    FlushGroup& operator=(const FlushGroup&) = delete;
    ~FlushGroup();

    // Calls back once every write that was done before this call is durable, or Error{disk}.
    // Never inside the call. The group has not failed.
    void join(FlushWaiter& waiter);

    // A sync failed: what was written since the last good one may be lost.
    bool has_failed() const { return has_failed_; }
    uint64_t sync_count() const { return sync_count_; }

  private:
    using WaiterList = IntrusiveList<FlushWaiter, &FlushWaiter::link>;

    void start();
    void sync_done(Result<Ok> result);

    io::Loop& loop_;
    const io::DataFile& file_;
    io::Completion completion_;
    WaiterList running_;
    WaiterList waiting_;
    uint64_t sync_count_ = 0;
    bool has_failed_ = false;
};

}  // namespace blockd::storage
