#include "storage/flush_group.h"

#include <blockd/assert.h>

namespace blockd::storage {

FlushGroup::FlushGroup(const io::DataFile& file) : file_(file) {}

FlushGroup::~FlushGroup() {
    ASSERT(running_.is_empty());
    ASSERT(waiting_.is_empty());
}

bool FlushGroup::join(FlushWaiter& waiter, io::Loop& loop) {
    const std::lock_guard guard(mutex_);
    if (has_failed()) return false;
    waiting_.push_back(waiter);
    if (loop_ == nullptr) start(loop);
    return true;
}

void FlushGroup::start(io::Loop& loop) {
    ASSERT(running_.is_empty());
    loop_ = &loop;
    running_.append(waiting_);
    sync_count_.fetch_add(1, std::memory_order_relaxed);
    loop.sync(completion_, {.file = file_.fd, .durability = file_.durability},
              io::bind<&FlushGroup::sync_done>(this));
}

void FlushGroup::sync_done(Result<Ok> result) {
    WaiterList answered;
    {
        const std::lock_guard guard(mutex_);
        answered.append(running_);
        if (!result) {
            has_failed_.store(true, std::memory_order_release);
            // Whatever the system calls it, the disk has failed: this must not pass for a full
            // disk, or for something that the file system cannot do.
            result = Error{.code = ErrorCode::disk,
                           .os_errno = result.error().os_errno,
                           .during = result.error().during};
            answered.append(waiting_);
        }
        // The next sync starts before the callbacks, so that one which joins again waits for the
        // one after it.
        io::Loop& loop = *loop_;
        loop_ = nullptr;
        if (!waiting_.is_empty()) start(loop);
    }
    while (FlushWaiter* const waiter = answered.pop_front()) waiter->done(result);
}

}  // namespace blockd::storage
