// Who may start a request: the slots and the memory that all connections of a loop share.
//
// A connection that finds no room waits in line, first come, first served, and is not read from
// until it is its turn: its socket fills up, and the client waits. What a request needs is taken
// all at once or not at all, so that two cannot block each other with halves.
#pragma once

#include <blockd/intrusive_list.h>
#include <blockd/io/loop.h>

#include <cstdint>
#include <memory>

#include "server/limits.h"
#include "server/request_slot.h"
#include "storage/buffer_pool.h"

namespace blockd::server {

// A connection's place in the line.
struct AdmissionWaiter {
    io::Callback<Result<Ok>> retry;  // Try again; leave() the line when it worked.
    ListLink<AdmissionWaiter> link;
};

class Admission {
  public:
    Admission(io::Loop& loop, const Limits& limits);
    ~Admission();
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

    storage::BufferPool& buffers() { return buffers_; }

    // Whether others wait in front of this one: then it must wait, too.
    bool must_wait(const AdmissionWaiter& waiter) const;
    void wait(AdmissionWaiter& waiter);   // No effect when it waits already.
    void leave(AdmissionWaiter& waiter);  // No effect when it does not wait.

    // nullptr when all slots are in use.
    RequestSlot* take_slot();

    // The slot's memory was released before. Lets those who wait try again, a little later.
    void give_slot(RequestSlot& slot);

    // Takes back a slot that was not used, for want of memory. That changes nothing for those who
    // wait: were they to try again, it would be for ever.
    void return_slot(RequestSlot& slot);

    uint32_t used_slots() const { return slots_count_ - uint32_t(unused_.count()); }

  private:
    void wake_later();
    void wake(Result<Ok> result);

    io::Loop& loop_;
    storage::BufferPool buffers_;
    const uint32_t slots_count_;
    std::unique_ptr<RequestSlot[]> slots_;
    RequestList unused_;
    IntrusiveList<AdmissionWaiter, &AdmissionWaiter::link> waiting_;
    io::Completion wake_tick_;
};

}  // namespace blockd::server
