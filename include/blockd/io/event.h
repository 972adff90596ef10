// An Event wakes a loop from another thread: see Loop::event_listen and event_trigger.
//
// - Triggers before the loop gets to it coalesce into one callback. A trigger that nobody listens
//   for is kept for the next listener.
// - Owned by whoever listens; opened and closed on the loop's thread.
#pragma once

#include <blockd/assert.h>
#include <blockd/io/completion.h>

#include <atomic>

namespace blockd::io {

class Event {
  public:
    Event() = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { ASSERT(!is_open_); }

  private:
    friend class Loop;

    // True from a trigger until its callback is due: only the first trigger enters the event in
    // the loop's list, so that the event is never there twice.
    std::atomic<bool> is_triggered_ = false;
    Event* next_triggered_ = nullptr;  // In the loop's lock-free list; belongs to who triggered.

    // The loop's thread alone.
    bool is_open_ = false;
    bool is_kept_ = false;  // Out of the list, and nobody listened.
    Completion* listener_ = nullptr;
};

}  // namespace blockd::io
