// How operations enter a loop, and how they leave it through their callbacks.
#include <blockd/io/loop.h>

#include "io/fd_table.h"
#include "io/os_error.h"

#include <blockd/assert.h>

#include <utility>

namespace blockd::io {
namespace {

constexpr uint64_t transfer_size_max = 1u << 30;

using ErasedFunction = void (*)();

const char* operation_name(OperationKind kind) {
    switch (kind) {
        case OperationKind::none: return "";
        case OperationKind::accept: return "accept";
        case OperationKind::connect: return "connect";
        case OperationKind::recv: return "receive";
        case OperationKind::send: return "send";
        case OperationKind::read: return "read";
        case OperationKind::write: return "write";
        case OperationKind::sync: return "sync";
        case OperationKind::punch_hole: return "punch hole";
        case OperationKind::zero_range: return "zero range";
        case OperationKind::extents: return "find extents";
        case OperationKind::open: return "open";
        case OperationKind::close: return "close";
        case OperationKind::timeout: return "timeout";
        case OperationKind::next_tick: return "next tick";
        case OperationKind::event: return "event";
    }
    return "";
}

bool needs_no_fd(OperationKind kind) {
    switch (kind) {
        case OperationKind::open:
        case OperationKind::timeout:
        case OperationKind::next_tick:
        case OperationKind::event: return true;
        default: return false;
    }
}

template <typename Value>
void invoke(ErasedFunction function, void* context, Result<Value> result) {
    reinterpret_cast<void (*)(void*, Result<Value>)>(function)(context, std::move(result));
}

void invoke_with(ErasedFunction function, void* context, OperationKind kind, int64_t result) {
    const auto value_of = [&]<typename Value>(Value value) -> Result<Value> {
        if (result >= 0) return value;
        return error_from_errno(static_cast<int32_t>(-result), operation_name(kind));
    };
    switch (kind) {
        case OperationKind::accept:
        case OperationKind::open:
            return invoke(function, context, value_of(static_cast<Fd>(result)));
        case OperationKind::recv:
        case OperationKind::send:
        case OperationKind::read:
        case OperationKind::write:
        case OperationKind::extents:
            return invoke(function, context, value_of(static_cast<uint32_t>(result)));
        case OperationKind::connect:
        case OperationKind::sync:
        case OperationKind::punch_hole:
        case OperationKind::zero_range:
        case OperationKind::close:
        case OperationKind::timeout:
        case OperationKind::next_tick:
        case OperationKind::event: return invoke(function, context, value_of(Ok{}));
        case OperationKind::none: break;
    }
    ASSERT(false);
}

}  // namespace

// The Completion is idle, and may be gone, once its callback is entered.
void Loop::call_back(Completion& completion) {
    ASSERT(completion.state == Completion::State::completed);
    release_fd(completion);
    completion.state = Completion::State::idle;
    --in_flight_count_;
    ++statistics_.callbacks;
    invoke_with(completion.function, completion.context, completion.operation.kind,
                completion.result);
}

template <typename Value>
void Loop::start(Completion& completion, const Operation& operation, Callback<Result<Value>> done) {
    assert_owner();
    ASSERT(completion.is_idle());
    ASSERT(done.function != nullptr);
    completion.operation = operation;
    completion.context = done.context;
    completion.function = reinterpret_cast<ErasedFunction>(done.function);
    completion.result = 0;
    completion.is_cancel_requested = false;
    completion.state = Completion::State::submitted;
    acquire_fd(completion);
    ++in_flight_count_;
}

void Loop::stage(Completion& completion) { staged_.push_back(completion); }

// One operation per direction of a socket: a kqueue knows one event per (fd, direction), and a
// second one would silently replace the first. Asserted here, for every backend.
void Loop::acquire_fd(Completion& completion) {
    const Operation& operation = completion.operation;
    if (operation.fd == Fd::none) {
        ASSERT(needs_no_fd(operation.kind));
        return;
    }
    LoopSlot& slot = (*slots_)[operation.fd];
    ASSERT(!slot.is_close_staged);
    switch (operation.kind) {
        case OperationKind::accept:
        case OperationKind::recv:
            ASSERT(slot.reader == nullptr);
            slot.reader = &completion;
            return;
        case OperationKind::connect:
        case OperationKind::send:
            ASSERT(slot.writer == nullptr);
            slot.writer = &completion;
            return;
        case OperationKind::close:
            ASSERT(slot.is_idle());
            slot.is_close_staged = true;
            return;
        default: ++slot.disk_operation_count; return;
    }
}

void Loop::release_fd(Completion& completion) {
    const Operation& operation = completion.operation;
    if (operation.fd == Fd::none) return;
    LoopSlot& slot = (*slots_)[operation.fd];
    switch (operation.kind) {
        case OperationKind::accept:
        case OperationKind::recv:
            ASSERT(slot.reader == &completion);
            slot.reader = nullptr;
            return;
        case OperationKind::connect:
        case OperationKind::send:
            ASSERT(slot.writer == &completion);
            slot.writer = nullptr;
            return;
        case OperationKind::close: return;
        default:
            ASSERT(slot.disk_operation_count > 0);
            --slot.disk_operation_count;
            return;
    }
}

void Loop::accept(Completion& completion, const Accept& operation, Callback<Result<Fd>> done) {
    start(completion, {.kind = OperationKind::accept, .fd = operation.listener}, done);
    stage(completion);
}

void Loop::connect(Completion& completion, const Connect& operation, Callback<Result<Ok>> done) {
    ASSERT(operation.address != nullptr);
    start(completion,
          {.kind = OperationKind::connect, .fd = operation.socket, .address = operation.address},
          done);
    stage(completion);
}

void Loop::recv(Completion& completion, const Recv& operation, Callback<Result<uint32_t>> done) {
    ASSERT(!operation.vectors.empty());
    ASSERT(operation.vectors.size() <= vectors_max);
    start(completion,
          {.kind = OperationKind::recv, .fd = operation.socket, .vectors = operation.vectors},
          done);
    stage(completion);
}

void Loop::send(Completion& completion, const Send& operation, Callback<Result<uint32_t>> done) {
    ASSERT(!operation.vectors.empty());
    ASSERT(operation.vectors.size() <= vectors_max);
    start(completion,
          {.kind = OperationKind::send, .fd = operation.socket, .vectors = operation.vectors},
          done);
    stage(completion);
}

void Loop::read(Completion& completion, const Read& operation, Callback<Result<uint32_t>> done) {
    ASSERT(operation.buffer.size() <= transfer_size_max);
    start(completion,
          {.kind = OperationKind::read,
           .fd = operation.file,
           .data = operation.buffer.data(),
           .size = operation.buffer.size(),
           .offset = operation.offset},
          done);
    stage(completion);
}

void Loop::write(Completion& completion, const Write& operation, Callback<Result<uint32_t>> done) {
    ASSERT(operation.buffer.size() <= transfer_size_max);
    start(completion,
          {.kind = OperationKind::write,
           .fd = operation.file,
           // Operation serves both directions; a write only reads from it.
           .data = const_cast<std::byte*>(operation.buffer.data()),
           .size = operation.buffer.size(),
           .offset = operation.offset},
          done);
    stage(completion);
}

// A sync waits behind the running one of its file and never joins it: the running one may have
// begun before the writes that this one covers.
void Loop::sync(Completion& completion, const Sync& operation, Callback<Result<Ok>> done) {
    start(completion,
          {.kind = OperationKind::sync, .fd = operation.file, .durability = operation.durability},
          done);
    LoopSlot& slot = (*slots_)[operation.file];
    slot.waiting_syncs.push_back(completion);
    if (slot.running_sync == nullptr) stage_next_sync(slot);
}

void Loop::punch_hole(Completion& completion, const Range& operation, Callback<Result<Ok>> done) {
    start(completion,
          {.kind = OperationKind::punch_hole,
           .fd = operation.file,
           .size = operation.size,
           .offset = operation.offset},
          done);
    stage(completion);
}

void Loop::zero_range(Completion& completion, const Range& operation, Callback<Result<Ok>> done) {
    start(completion,
          {.kind = OperationKind::zero_range,
           .fd = operation.file,
           .size = operation.size,
           .offset = operation.offset},
          done);
    stage(completion);
}

void Loop::extents(Completion& completion, const Extents& operation,
                   Callback<Result<uint32_t>> done) {
    ASSERT(operation.size > 0);
    ASSERT(!operation.extents.empty());
    start(completion,
          {.kind = OperationKind::extents,
           .fd = operation.file,
           .size = operation.size,
           .offset = operation.offset,
           .extents = operation.extents.data(),
           .extents_max = static_cast<uint32_t>(operation.extents.size())},
          done);
    stage(completion);
}

void Loop::open(Completion& completion, const Open& operation, Callback<Result<Fd>> done) {
    ASSERT(operation.path != nullptr);
    start(completion,
          {.kind = OperationKind::open,
           .fd = operation.directory,
           .path = operation.path,
           .open_flags = operation.flags,
           .open_mode = operation.mode},
          done);
    stage(completion);
}

void Loop::close(Completion& completion, const Close& operation, Callback<Result<Ok>> done) {
    ASSERT(operation.fd != Fd::none);
    start(completion, {.kind = OperationKind::close, .fd = operation.fd}, done);
    stage(completion);
}

// The time runs from the next reading of the clock on, which comes after this call: that makes it
// never early, and costs no reading of its own.
void Loop::timeout(Completion& completion, const Timeout& operation, Callback<Result<Ok>> done) {
    start(completion, {.kind = OperationKind::timeout}, done);
    completion.deadline_ns = operation.after_ns;
    staged_timeouts_.push_back(completion);
}

void Loop::next_tick(Completion& completion, Callback<Result<Ok>> done) {
    start(completion, {.kind = OperationKind::next_tick}, done);
    complete(completion, 0);
}

void Loop::event_listen(Event& event, Completion& completion, Callback<Result<Ok>> done) {
    ASSERT(event.is_open_);
    ASSERT(event.listener_ == nullptr);
    start(completion, {.kind = OperationKind::event}, done);
    if (event.is_kept_) {
        event.is_kept_ = false;
        event.is_triggered_.exchange(false, std::memory_order_acq_rel);  // See flush_events().
        return complete(completion, 0);
    }
    completion.state = Completion::State::waiting;
    completion.event = &event;
    event.listener_ = &completion;
}

}  // namespace blockd::io
