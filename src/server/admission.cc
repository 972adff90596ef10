#include "server/admission.h"

#include <blockd/assert.h>

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
      slots_(std::make_unique<RequestSlot[]>(limits.requests)) {
    static_assert(storage::buffer_size_max == chunk_size_max);
    for (uint32_t index = 0; index < slots_count_; ++index) unused_.push_back(slots_[index]);
}

Admission::~Admission() {
    ASSERT(used_slots() == 0);
    ASSERT(waiting_.is_empty());
    while (unused_.pop_front() != nullptr) {
    }
}

bool Admission::must_wait(const AdmissionWaiter& waiter) const {
    return !waiting_.is_empty() && waiting_.front() != &waiter;
}

void Admission::wait(AdmissionWaiter& waiter) {
    if (!waiter.link.is_linked) waiting_.push_back(waiter);
}

void Admission::leave(AdmissionWaiter& waiter) {
    if (!waiter.link.is_linked) return;
    waiting_.remove(waiter);
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

void Admission::wake_later() {
    if (waiting_.is_empty() || !wake_tick_.is_idle()) return;
    loop_.next_tick(wake_tick_, io::bind<&Admission::wake>(this));
}

void Admission::wake(Result<Ok>) {
    while (AdmissionWaiter* const first = waiting_.front()) {
        first->retry(Ok{});
        if (waiting_.front() == first) return;  // Still no room for it; nobody overtakes.
    }
}

}  // namespace blockd::server
