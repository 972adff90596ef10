// Between a loop that goes to sleep in the kernel and the threads that wake it: the kernel is rung
// only for a loop that sleeps or is about to.
//
// Each side writes one flag and then reads the other's: sequentially consistent, so that at least
// one of them sees the other.
#pragma once

#include <atomic>

namespace blockd::io {

class SleepGate {
  public:
    // The loop's thread. False when somebody woke it before: then it must not sleep.
    bool prepare_sleep() {
        is_asleep_.store(true, std::memory_order_seq_cst);
        return !is_woken_.load(std::memory_order_seq_cst);
    }

    // The loop's thread, after every poll, asleep or not. What it was woken for is looked at after
    // this: a later wake() ends the next sleep.
    void end_sleep() {
        is_asleep_.store(false, std::memory_order_relaxed);
        is_woken_.exchange(false, std::memory_order_seq_cst);
    }

    // Any thread. True when the kernel has to be rung.
    bool wake() {
        if (is_woken_.exchange(true, std::memory_order_seq_cst)) return false;
        return is_asleep_.load(std::memory_order_seq_cst);
    }

  private:
    std::atomic<bool> is_woken_ = false;
    std::atomic<bool> is_asleep_ = false;
};

}  // namespace blockd::io
