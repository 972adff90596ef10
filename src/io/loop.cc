#include <blockd/io/loop.h>

#include "io/fd_table.h"
#include "io/timeout_queue.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blockd::io {

Loop::Loop(std::unique_ptr<Backend> backend)
    : backend_(std::move(backend)),
      slots_(std::make_unique<FdTable<LoopSlot>>()),
      timeouts_(std::make_unique<TimeoutQueue>()),
      now_ns_(backend_->now_ns()) {}

Loop::~Loop() {
    ASSERT(in_flight_count_ == 0);
    ASSERT(open_event_count_ == 0);
}

void Loop::tick() { flush(0); }

void Loop::run_for_ns(uint64_t duration_ns) {
    const uint64_t start_ns = backend_->now_ns();
    uint64_t elapsed_ns = 0;
    do {
        flush(duration_ns - elapsed_ns);
        elapsed_ns = now_ns_ - start_ns;
    } while (elapsed_ns < duration_ns);
}

void Loop::flush(uint64_t wait_ns_max) {
    if (owner_ == std::thread::id{}) owner_ = std::this_thread::get_id();
    assert_owner();
    ++statistics_.turns;
    flush_io();
    const uint64_t next_timeout_ns = flush_timeouts();
    const uint64_t wait_ns =
        ready_.is_empty() ? std::min({wait_ns_max, next_timeout_ns, loop_wait_ns_max}) : 0;
    CompletionList completed;
    backend_->poll(completed, wait_ns);
    ++statistics_.polls;
    collect(completed);
    flush_events();
    if (wait_ns > 0) flush_timeouts();
    run_callbacks();
}

// The clock is read here and nowhere else: once a turn, and again after a sleep, because what fell
// due meanwhile would otherwise wait for the next turn.
uint64_t Loop::flush_timeouts() {
    now_ns_ = backend_->now_ns();
    while (Completion* const staged = staged_timeouts_.pop_front()) {
        const uint64_t after_ns = staged->deadline_ns;
        staged->state = Completion::State::waiting;
        timeouts_->insert(*staged, now_ns_ + std::min(after_ns, UINT64_MAX - 1 - now_ns_));
    }
    while (Completion* const due = timeouts_->pop_due(now_ns_)) {
        ++statistics_.timeouts_fired;
        complete(*due, 0);
    }
    return timeouts_->next_deadline_ns() - now_ns_;
}

void Loop::flush_io() {
    if (staged_.is_empty()) return;
    for (Completion* staged = staged_.front(); staged != nullptr;
         staged = CompletionList::next(*staged)) {
        staged->state = Completion::State::in_backend;
        if (staged->operation.kind != OperationKind::close) continue;
        // From here on the number may be given to another file at any moment.
        (*slots_)[staged->operation.fd].is_close_staged = false;
    }
    CompletionList completed;
    backend_->submit(staged_, completed);
    ASSERT(staged_.is_empty());
    collect(completed);
}

// What completes at once is called back in this turn, as long as its budget lasts: a request that
// is answered at once costs no extra poll.
void Loop::run_callbacks() {
    for (uint32_t count = 0; count < loop_callbacks_per_turn_max; ++count) {
        if (ready_.is_empty() || count % loop_callbacks_per_submit_max == 0) flush_io();
        Completion* const completion = ready_.pop_front();
        if (completion == nullptr) return;
        call_back(*completion);
    }
    if (!ready_.is_empty()) ++statistics_.budgets_exhausted;
}

void Loop::collect(CompletionList& completed) {
    while (Completion* const completion = completed.pop_front()) {
        ASSERT(completion->state == Completion::State::in_backend);
        complete(*completion, completion->result);
    }
}

void Loop::complete(Completion& completion, int64_t result) {
    completion.result = result;
    completion.state = Completion::State::completed;
    ready_.push_back(completion);
    if (completion.operation.kind == OperationKind::sync) {
        LoopSlot& slot = (*slots_)[completion.operation.fd];
        if (slot.running_sync == &completion) stage_next_sync(slot);
    }
}

void Loop::stage_next_sync(LoopSlot& slot) {
    slot.running_sync = slot.waiting_syncs.pop_front();
    if (slot.running_sync != nullptr) staged_.push_back(*slot.running_sync);
}

void Loop::cancel(Completion& completion) {
    assert_owner();
    const OperationKind kind = completion.operation.kind;
    switch (completion.state) {
        case Completion::State::idle: return;
        case Completion::State::completed:
            if (kind == OperationKind::next_tick) completion.result = -ECANCELED;
            return;
        case Completion::State::submitted: return cancel_staged(completion);
        case Completion::State::waiting: return cancel_waiting(completion);
        case Completion::State::in_backend:
            if (kind == OperationKind::close || completion.is_cancel_requested) return;
            completion.is_cancel_requested = true;
            CompletionList completed;
            backend_->cancel(completion, completed);
            return collect(completed);
    }
}

void Loop::cancel_staged(Completion& completion) {
    const Operation& operation = completion.operation;
    if (operation.kind == OperationKind::close) return;  // Its fd would be open for ever.
    if (operation.kind == OperationKind::timeout) {
        staged_timeouts_.remove(completion);
    } else if (operation.kind == OperationKind::sync &&
               (*slots_)[operation.fd].running_sync != &completion) {
        (*slots_)[operation.fd].waiting_syncs.remove(completion);
    } else {
        staged_.remove(completion);
    }
    complete(completion, -ECANCELED);
}

void Loop::cancel_waiting(Completion& completion) {
    if (completion.operation.kind == OperationKind::timeout) {
        timeouts_->remove(completion);
    } else {
        ASSERT(completion.operation.kind == OperationKind::event);
        completion.event->listener_ = nullptr;
    }
    complete(completion, -ECANCELED);
}

void Loop::cancel_fd(Fd fd) {
    LoopSlot& slot = (*slots_)[fd];
    if (slot.reader != nullptr) cancel(*slot.reader);
    if (slot.writer != nullptr) cancel(*slot.writer);
}

void Loop::assert_owner() const { ASSERT(is_own_thread()); }

void Loop::open_event(Event& event) {
    assert_owner();
    ASSERT(!event.is_open_);
    event.is_open_ = true;
    ++open_event_count_;
}

void Loop::close_event(Event& event) {
    assert_owner();
    ASSERT(event.is_open_);
    ASSERT(event.listener_ == nullptr);
    flush_events();  // It may still be in the list of those that were triggered.
    event.is_kept_ = false;
    event.is_triggered_ = false;
    event.is_open_ = false;
    --open_event_count_;
}

void Loop::event_trigger(Event& event) {
    if (event.is_triggered_.exchange(true, std::memory_order_acq_rel)) return;
    Event* first = triggered_.load(std::memory_order_relaxed);
    do {
        event.next_triggered_ = first;
    } while (!triggered_.compare_exchange_weak(first, &event, std::memory_order_release,
                                               std::memory_order_relaxed));
    // Whoever made the list non-empty wakes the loop, which takes the whole list.
    if (first == nullptr) backend_->wake();
}

void Loop::flush_events() {
    if (triggered_.load(std::memory_order_relaxed) == nullptr) return;
    Event* event = triggered_.exchange(nullptr, std::memory_order_acquire);
    Event* in_order = nullptr;
    while (event != nullptr) {
        Event* const next = std::exchange(event->next_triggered_, in_order);
        in_order = std::exchange(event, next);
    }
    while (in_order != nullptr) {
        Event& triggered = *in_order;
        in_order = std::exchange(triggered.next_triggered_, nullptr);
        if (triggered.listener_ == nullptr) {
            triggered.is_kept_ = true;
            continue;
        }
        Completion& listener = *std::exchange(triggered.listener_, nullptr);
        // From here on it may be triggered, and enter the list, again.
        // An exchange, not a store: it must see what a trigger that coalesced had written before.
        triggered.is_triggered_.exchange(false, std::memory_order_acq_rel);
        complete(listener, 0);
    }
}

}  // namespace blockd::io
