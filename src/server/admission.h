// Who may start a request: the slots and the memory that all connections of a loop share.
//
// A connection that finds no room waits in line and is not read from until it is its turn: its
// socket fills up, and the client waits. What a request needs is taken all at once or not at all,
// so that two cannot block each other with halves.
//
// There is a line for each kind of room, first come, first served, so that who only needs a slot
// does not wait for the memory that somebody else needs. When room comes back, the heads of the
// lines try, the one that has waited longest first; before they have, nobody new takes any.
#pragma once

#include <blockd/intrusive_list.h>
#include <blockd/io/loop.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/limits.h"
#include "server/request_slot.h"
#include "storage/buffer_pool.h"

namespace blockd::server {

enum class Room : uint8_t {
    slot,
    memory,   // And a slot.
    payload,  // A share in the memory of payloads that still come in; then memory.
};
inline constexpr size_t room_kinds = 3;

// A connection's place in a line.
struct AdmissionWaiter {
    io::Callback<Result<Ok>> retry;  // Try again; leave() the line when it worked.

    // The line's own.
    Room room = Room::slot;
    uint64_t number = 0;  // Who came first has the smaller one.
    ListLink<AdmissionWaiter> link;
};

class Admission {
  public:
    Admission(io::Loop& loop, const Limits& limits);
    ~Admission();
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

    storage::BufferPool& buffers() { return buffers_; }

    // Whether others come before this one: then it must wait, too. Who waits already has its place
    // in the line where it stands.
    bool must_wait(const AdmissionWaiter& waiter, Room room) const;
    void wait(AdmissionWaiter& waiter, Room room);  // No effect when it waits there already.
    void leave(AdmissionWaiter& waiter);            // No effect when it does not wait.

    // nullptr when all slots are in use.
    RequestSlot* take_slot();

    // The slot's memory was released before. Lets those who wait try again, a little later.
    void give_slot(RequestSlot& slot);

    // Takes back a slot that was not used, for want of memory. That changes nothing for those who
    // wait: were they to try again, it would be for ever.
    void return_slot(RequestSlot& slot);

    // Payloads that are not whole hold only a part of the memory, however many clients begin writes
    // and fall silent. `footprint`: bytes of the arena.
    bool has_payload_room(uint64_t footprint) const {
        return payloads_size_ + footprint <= payloads_size_max_;
    }
    void begin_payload(uint64_t footprint) { payloads_size_ += footprint; }
    void end_payload(uint64_t footprint);

    uint32_t used_slots() const { return slots_count_ - uint32_t(unused_.count()); }

  private:
    using Line = IntrusiveList<AdmissionWaiter, &AdmissionWaiter::link>;

    Line& line_of(Room room) { return lines_[size_t(room)]; }
    const Line& line_of(Room room) const { return lines_[size_t(room)]; }
    void wake_later();
    void wake(Result<Ok> result);

    io::Loop& loop_;
    storage::BufferPool buffers_;
    const uint32_t slots_count_;
    std::unique_ptr<RequestSlot[]> slots_;
    RequestList unused_;
    std::array<Line, room_kinds> lines_;
    uint64_t waits_count_ = 0;
    uint64_t payloads_size_ = 0;
    const uint64_t payloads_size_max_;
    io::Completion wake_tick_;
};

}  // namespace blockd::server
