#include "storage/flush_group.h"

#include <blockd/assert.h>

namespace blockd::storage {

FlushGroup::FlushGroup(io::Loop& loop, const io::DataFile& file) : loop_(loop), file_(file) {}

FlushGroup::~FlushGroup() {
    ASSERT(running_.is_empty());
    ASSERT(waiting_.is_empty());
}

void FlushGroup::join(FlushWaiter& waiter) {
    ASSERT(!has_failed_);
    waiting_.push_back(waiter);
    if (completion_.is_idle() && running_.is_empty()) start();
}

void FlushGroup::start() {
    ASSERT(running_.is_empty());
    running_.append(waiting_);
    ++sync_count_;
    loop_.sync(completion_, {.file = file_.fd, .durability = file_.durability},
               io::bind<&FlushGroup::sync_done>(this));
}

void FlushGroup::sync_done(Result<Ok> result) {
    WaiterList answered;
    answered.append(running_);
    if (!result) {
        has_failed_ = true;
        // Whatever the system calls it, the disk has failed: this must not pass for a full disk, or
        // for something that the file system cannot do.
        result = Error{.code = ErrorCode::disk,
                       .os_errno = result.error().os_errno,
                       .during = result.error().during};
        answered.append(waiting_);
    }
    // The next sync starts before the callbacks, so that one which joins again waits for the one
    // after it.
    if (!waiting_.is_empty()) start();

    while (FlushWaiter* const waiter = answered.pop_front()) waiter->done(result);
}

}  // namespace blockd::storage
