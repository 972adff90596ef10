#include "io/disk_workers.h"

#include "io/disk_operation.h"
#include "io/worker_thread.h"

#include <blockd/assert.h>

#include <algorithm>
#include <system_error>

namespace blockd::io {

DiskWorkers::DiskWorkers(uint32_t thread_count, Doorbell doorbell) : doorbell_(doorbell) {
    ASSERT(thread_count > 0);
    const SignalsBlocked signals_blocked;
    threads_.reserve(thread_count);
    try {
        while (threads_.size() < thread_count) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
        // The system has no room for one more: thread_count() tells.
    }
}

DiskWorkers::~DiskWorkers() {
    {
        const std::lock_guard lock(mutex_);
        ASSERT(queued_.is_empty());
        is_stopping_ = true;
    }
    has_work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    ASSERT(done_.is_empty());
}

// Each wake-up is a system call and, for the sleeper, a switch: only as many are woken as there are
// operations that nobody awake is about to take.
void DiskWorkers::push(CompletionList& operations) {
    if (operations.is_empty()) return;
    uint32_t wake_count = 0;
    {
        const std::lock_guard lock(mutex_);
        queued_.append(operations);
        const size_t unattended = queued_.count() - std::min<size_t>(queued_.count(), woken_count_);
        wake_count = static_cast<uint32_t>(std::min<size_t>(unattended, sleeping_count_));
        sleeping_count_ -= wake_count;
        woken_count_ += wake_count;
    }
    for (uint32_t index = 0; index < wake_count; ++index) has_work_.notify_one();
}

bool DiskWorkers::take_back(Completion& completion) {
    const std::lock_guard lock(mutex_);
    // It is linked here in the queue of what is to be done, or of what is done.
    for (Completion* queued = queued_.front(); queued != nullptr;
         queued = CompletionList::next(*queued)) {
        if (queued != &completion) continue;
        queued_.remove(completion);
        return true;
    }
    return false;
}

void DiskWorkers::collect(CompletionList& completed) {
    if (!has_done_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    has_done_.store(false, std::memory_order_relaxed);
    completed.append(done_);
}

void DiskWorkers::work() {
    prepare_worker_thread("blockd-disk");
    std::unique_lock lock(mutex_);
    while (Completion* const completion = wait_for_operation(lock)) {
        lock.unlock();
        completion->result = perform_disk_operation(completion->operation);
        lock.lock();
        const bool is_first = done_.is_empty();
        done_.push_back(*completion);
        if (!is_first) continue;
        has_done_.store(true, std::memory_order_release);
        lock.unlock();
        doorbell_.ring(doorbell_.context);
        lock.lock();
    }
}

// nullptr when the workers stop.
Completion* DiskWorkers::wait_for_operation(std::unique_lock<std::mutex>& lock) {
    while (queued_.is_empty() && !is_stopping_) {
        ++sleeping_count_;
        has_work_.wait(lock);
        // A spurious wake-up finds nobody counted as woken: then it was still counted as asleep.
        woken_count_ > 0 ? --woken_count_ : --sleeping_count_;
    }
    return queued_.pop_front();
}

}  // namespace blockd::io
