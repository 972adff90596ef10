// The completion loop: submit an operation now, be called back once it is done.
//
// - One thread owns a loop: the one that first runs it. Every callback runs there. Only
//   event_trigger() may be called from other threads.
// - Every submitted operation gets exactly one callback, never inside the submitting call.
// - The caller owns the Completion and every buffer named, until the callback is entered.
// - Nothing is allocated per operation.
// - At most one operation per direction of a socket (accept or recv; connect or send) is in
//   flight; a second one asserts. Closing asserts that the fd is idle: shutdown(), cancel_fd(),
//   wait for the callbacks, close().
// - A turn runs a bounded number of callbacks, polls the kernel every time and never sleeps with
//   work ready, so that an endless chain of next_tick() starves neither sockets nor timeouts.
#pragma once

#include <blockd/error.h>
#include <blockd/io/backend.h>
#include <blockd/io/callback.h>
#include <blockd/io/completion.h>
#include <blockd/io/event.h>
#include <blockd/io/operations.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

namespace blockd::io {

inline constexpr uint32_t loop_callbacks_per_turn_max = 256;
inline constexpr uint32_t loop_callbacks_per_submit_max = 32;    // Disks start while others parse.
inline constexpr uint64_t loop_wait_ns_max = 3'600'000'000'000;  // An hour: no kernel refuses it.

template <typename Slot>
class FdTable;
struct LoopSlot;
class TimeoutQueue;

class Loop {
  public:
    using Accept = operations::Accept;
    using Connect = operations::Connect;
    using Close = operations::Close;
    using Recv = operations::Recv;
    using Send = operations::Send;
    using Read = operations::Read;
    using Write = operations::Write;
    using Sync = operations::Sync;
    using Range = operations::Range;
    using Extents = operations::Extents;
    using Open = operations::Open;
    using Timeout = operations::Timeout;

    struct Statistics {
        uint64_t turns = 0;
        uint64_t polls = 0;
        uint64_t callbacks = 0;
        uint64_t budgets_exhausted = 0;
        uint64_t timeouts_fired = 0;
    };

    static constexpr size_t vectors_max = 64;

    // init: takes the system's queue. deinit: asserts that nothing is in flight, and closes it.
    explicit Loop(std::unique_ptr<Backend> backend);
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    // One turn: submits what waits, takes what is ready, calls back. Never blocks.
    void tick();

    // One turn that may sleep in the kernel until something happens, up to `wait_ns_max` and
    // loop_wait_ns_max. For who waits for a condition that a callback makes true.
    void flush(uint64_t wait_ns_max);

    // Turns until the time is over, sleeping in the kernel when there is nothing to do. 0 is one
    // tick().
    void run_for_ns(uint64_t duration_ns);

    // Any thread. Until the first turn every thread is the loop's own.
    bool is_own_thread() const {
        const std::thread::id owner = owner_.load(std::memory_order_relaxed);
        return owner == std::thread::id{} || owner == std::this_thread::get_id();
    }

    // More is about to come in: the loop's next sleep may go on for some microseconds after the
    // first event, so that one turn takes several. A hint.
    void expect_more() { backend_->expect_more(); }

    // Nanoseconds of the backend's clock, read once a turn.
    uint64_t now_ns() const { return now_ns_; }

    // Sockets. accept and connect pass Result<Fd> and Result<Ok>; recv and send the bytes moved,
    // which may be fewer than asked for. recv passes 0 at the end of the stream.
    void accept(Completion& completion, const Accept& operation, Callback<Result<Fd>> done);
    void connect(Completion& completion, const Connect& operation, Callback<Result<Ok>> done);
    void recv(Completion& completion, const Recv& operation, Callback<Result<uint32_t>> done);
    void send(Completion& completion, const Send& operation, Callback<Result<uint32_t>> done);

    // Files, by position. read and write move the whole buffer; a read passes fewer bytes only at
    // the end of the file. A sync covers every write that was called back before it was
    // submitted; syncs of one file run one after the other, in order. A buffer is at most 1 GiB.
    void read(Completion& completion, const Read& operation, Callback<Result<uint32_t>> done);
    void write(Completion& completion, const Write& operation, Callback<Result<uint32_t>> done);
    void sync(Completion& completion, const Sync& operation, Callback<Result<Ok>> done);

    // Makes the range read as zeros: punch_hole gives its blocks back, zero_range keeps or
    // provides them. Error{not_supported} where the file system cannot.
    void punch_hole(Completion& completion, const Range& operation, Callback<Result<Ok>> done);
    void zero_range(Completion& completion, const Range& operation, Callback<Result<Ok>> done);

    // Passes how many extents it filled, at least one. They are contiguous from `offset` on, sum
    // up to at most `size`, and to less only when the array is full.
    void extents(Completion& completion, const Extents& operation, Callback<Result<uint32_t>> done);

    void open(Completion& completion, const Open& operation, Callback<Result<Fd>> done);
    void close(Completion& completion, const Close& operation, Callback<Result<Ok>> done);

    // Fires after at least `after_ns`, never early: the time runs from the next reading of the
    // clock on. Error{canceled} when it was cancelled.
    void timeout(Completion& completion, const Timeout& operation, Callback<Result<Ok>> done);

    // Calls back after everything that is ready now.
    void next_tick(Completion& completion, Callback<Result<Ok>> done);

    // Asks the operation to end: its one callback follows, with Error{canceled} or, when it was
    // too late, with its result. An accept or open that succeeded still hands over its fd. No
    // effect on an idle Completion, nor on a close: its fd would be left without an owner.
    void cancel(Completion& completion);

    // Cancels the socket operations on this fd.
    void cancel_fd(Fd fd);

    // User events. One listener at a time per event; each listen is called back once.
    void open_event(Event& event);
    void event_listen(Event& event, Completion& completion, Callback<Result<Ok>> done);
    void event_trigger(Event& event);  // Any thread.
    void close_event(Event& event);    // Nobody listens, and no thread triggers it any more.

    // See Backend.
    Result<Fd> open_socket(AddressFamily family) { return backend_->open_socket(family); }
    Result<Fd> listen(const ListenOptions& options) { return backend_->listen(options); }
    void shutdown(Fd socket, ShutdownKind kind) { backend_->shutdown(socket, kind); }
    Result<Address> local_address(Fd socket) { return backend_->local_address(socket); }
    Result<Address> peer_address(Fd socket) { return backend_->peer_address(socket); }
    uint32_t disk_depth() const { return backend_->disk_depth(); }
    const char* backend_name() const { return backend_->name(); }

    size_t in_flight_count() const { return in_flight_count_; }
    const Statistics& statistics() const { return statistics_; }

  private:
    uint64_t flush_timeouts();  // Fires what is due; returns how long until the next one is.
    void flush_io();            // Hands what was submitted to the backend.
    void flush_events();
    void run_callbacks();
    void call_back(Completion& completion);

    template <typename Value>
    void start(Completion& completion, const Operation& operation, Callback<Result<Value>> done);
    void stage(Completion& completion);
    void stage_next_sync(LoopSlot& slot);
    void collect(CompletionList& completed);  // From the backend.
    void complete(Completion& completion, int64_t result);
    void acquire_fd(Completion& completion);
    void release_fd(Completion& completion);
    void cancel_staged(Completion& completion);
    void cancel_waiting(Completion& completion);
    void assert_owner() const;

    std::unique_ptr<Backend> backend_;
    std::unique_ptr<FdTable<LoopSlot>> slots_;
    std::unique_ptr<TimeoutQueue> timeouts_;
    CompletionList staged_;           // Submitted; the backend gets them in one batch.
    CompletionList staged_timeouts_;  // Their time runs from the next reading of the clock on.
    CompletionList ready_;            // Completed; first in, first called back.
    std::atomic<Event*> triggered_ = nullptr;  // Pushed by any thread, last in first.
    std::atomic<std::thread::id> owner_;       // Set by the first turn.
    uint64_t now_ns_ = 0;
    size_t in_flight_count_ = 0;
    size_t open_event_count_ = 0;
    Statistics statistics_;
};

}  // namespace blockd::io
