#include "server/admission.h"

#include <blockd/assert.h>

#include <algorithm>

namespace blockd::server {

namespace {

// Every slot may hold a small piece and one for its edge blocks; large requests hold more pieces,
// but then the arena's size is what ends first.
uint32_t buffers_max(const Limits& limits) {
    return 2 * limits.requests + uint32_t(limits.buffer_bytes / chunk_size_max);
}

}  // namespace

Admission::Admission(io::Loop& loop, const Limits& limits)
    : loop_(loop),
      buffers_({.arena_size = limits.buffer_bytes / chunk_size_max * chunk_size_max,
                .buffers_max = buffers_max(limits)}),
      slots_count_(limits.requests),
      slots_(std::make_unique<RequestSlot[]>(limits.requests)),
      payloads_size_max_(std::max(limits.buffer_bytes / 2, bytes_per_connection_min)) {
    static_assert(storage::buffer_size_max == chunk_size_max);
    for (uint32_t index = 0; index < slots_count_; ++index) unused_.push_back(slots_[index]);
}

Admission::~Admission() {
    ASSERT(used_slots() == 0);
    ASSERT(payloads_size_ == 0);
    for (const Line& line : lines_) ASSERT(line.is_empty());
    while (unused_.pop_front() != nullptr) {
    }
}

bool Admission::must_wait(const AdmissionWaiter& waiter, Room room) const {
    if (waiter.link.is_linked) return line_of(waiter.room).front() != &waiter;
    return !line_of(room).is_empty() || !wake_tick_.is_idle();
}

void Admission::wait(AdmissionWaiter& waiter, Room room) {
    if (waiter.link.is_linked && waiter.room == room) return;
    if (waiter.link.is_linked) {
        line_of(waiter.room).remove(waiter);
    } else {
        waiter.number = ++waits_count_;
    }
    waiter.room = room;
    line_of(room).push_back(waiter);
}

void Admission::leave(AdmissionWaiter& waiter) {
    if (!waiter.link.is_linked) return;
    line_of(waiter.room).remove(waiter);
    wake_later();
}

RequestSlot* Admission::take_slot() { return unused_.pop_front(); }

void Admission::give_slot(RequestSlot& slot) {
    return_slot(slot);
    wake_later();
}

void Admission::return_slot(RequestSlot& slot) {
    slot.connection = nullptr;
    unused_.push_front(slot);
}

void Admission::end_payload(uint64_t footprint) {
    ASSERT(footprint <= payloads_size_);
    payloads_size_ -= footprint;
    wake_later();
}

void Admission::wake_later() {
    const bool is_anybody_waiting =
        std::ranges::any_of(lines_, [](const Line& line) { return !line.is_empty(); });
    if (!is_anybody_waiting || !wake_tick_.is_idle()) return;
    loop_.next_tick(wake_tick_, io::bind<&Admission::wake>(this));
}

// Who still finds no room holds up its own line; nobody overtakes it there.
void Admission::wake(Result<Ok>) {
    std::array<bool, room_kinds> is_held_up = {};
    while (true) {
        AdmissionWaiter* first = nullptr;
        for (const Line& line : lines_) {
            AdmissionWaiter* const head = line.front();
            if (head == nullptr || is_held_up[size_t(head->room)]) continue;
            if (first == nullptr || head->number < first->number) first = head;
        }
        if (first == nullptr) return;
        const Room room = first->room;
        first->retry(Ok{});
        is_held_up[size_t(room)] = line_of(room).front() == first;
    }
}

}  // namespace blockd::server
