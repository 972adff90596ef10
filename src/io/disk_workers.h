// Threads that perform disk operations, because files have no readiness to wait for: done on the
// loop's thread, reads at depth 32 lose three quarters of their throughput.
//
// The workers are dumb: they take whatever is first and know no order. All functions are for the
// loop's thread; the doorbell alone is rung from workers.
#pragma once

#include <blockd/io/completion.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace blockd::io {

class DiskWorkers {
  public:
    // Rung by a worker when the first operation is done that nobody has collected yet.
    struct Doorbell {
        void* context;
        void (*ring)(void* context);
    };

    // Starts as many threads as the system allows: compare thread_count().
    DiskWorkers(uint32_t thread_count, Doorbell doorbell);
    DiskWorkers(const DiskWorkers&) = delete;
    DiskWorkers& operator=(const DiskWorkers&) = delete;
    ~DiskWorkers();  // No operation is in flight. Waits for the threads.

    uint32_t thread_count() const { return static_cast<uint32_t>(threads_.size()); }

    // Takes all of `operations`.
    void push(CompletionList& operations);

    // Takes an operation back that no worker has begun. False when it is too late: it ends as ever.
    bool take_back(Completion& completion);

    // Appends what is done, `result` set.
    void collect(CompletionList& completed);

  private:
    void work();
    Completion* wait_for_operation(std::unique_lock<std::mutex>& lock);

    Doorbell doorbell_;
    std::mutex mutex_;
    std::condition_variable has_work_;
    CompletionList queued_;  // Under the mutex, like the next three.
    CompletionList done_;
    uint32_t sleeping_count_ = 0;  // Workers that wait and that nobody has woken yet.
    uint32_t woken_count_ = 0;     // Woken, and not yet back.
    bool is_stopping_ = false;
    std::atomic<bool> has_done_ = false;  // Saves the mutex when there is nothing to collect.
    std::vector<std::thread> threads_;
};

}  // namespace blockd::io
