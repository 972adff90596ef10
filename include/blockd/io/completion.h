// A Completion is one operation of a loop, from its submission until its callback is entered.
//
// - The caller owns it, embedded in the object that waits. It stays put in flight, together with
//   every buffer that the operation names; destroying one in flight asserts.
// - When the callback is entered the Completion is idle again: it may be submitted anew, and its
//   owner may be destroyed.
// - Callers use is_idle() alone. The rest is for the loop and its backends.
#pragma once

#include <blockd/assert.h>
#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/address.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace blockd::io {

// A kernel file descriptor: a socket, a listener or a file.
enum class Fd : int32_t { none = -1 };

// One piece of memory of a scattered receive or a gathered send; laid out as the kernel's iovec.
struct IoVector {
    void* base;
    size_t size;
};

// A run of a file that is all data or all hole. A hole reads as zeros.
struct Extent {
    uint64_t size;
    bool is_hole;
};

class Event;

enum class Durability : uint8_t {
    full,  // A sync reaches the medium: fdatasync (Linux), F_FULLFSYNC (macOS).
    weak,  // A sync reaches the drive, which may keep it in its cache.
    none,  // A sync does nothing: of a file that is only read, on a file system without syncs.
};

enum class OperationKind : uint8_t {
    none,
    // Sockets. At most one of accept and recv, and one of connect and send, at a time per socket.
    accept,
    connect,
    recv,
    send,
    // Files, on disk workers or asynchronously in the kernel; any number at a time.
    read,
    write,
    sync,
    punch_hole,
    zero_range,
    extents,
    open,
    // Both.
    close,
    // No file descriptor; the loop alone handles these.
    timeout,
    next_tick,
    event,
};

// What is to be done: which fields count depends on `kind`; Loop's operation structs say which.
struct Operation {
    OperationKind kind = OperationKind::none;
    Fd fd = Fd::none;
    std::span<const IoVector> vectors;
    std::byte* data = nullptr;
    uint64_t size = 0;
    uint64_t offset = 0;
    Extent* extents = nullptr;  // An array of `extents_max`.
    uint32_t extents_max = 0;
    const Address* address = nullptr;
    const char* path = nullptr;
    int32_t open_flags = 0;
    uint32_t open_mode = 0;
    Durability durability = Durability::full;
};

class Completion {
  public:
    Completion() = default;
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;
    ~Completion() { ASSERT(is_idle()); }

    bool is_idle() const { return state == State::idle; }

    // For the loop and its backends.
    enum class State : uint8_t {
        idle,
        submitted,  // In a list of the loop, or (a sync) behind another sync of its file.
        in_backend,
        waiting,    // A timeout in the queue, or an event that is listened for.
        completed,  // `result` is final; the callback runs soon.
    };

    ListLink<Completion> link;
    Operation operation;
    int64_t result = 0;  // A count or fd when >= 0, else a negated errno.
    State state = State::idle;
    bool is_cancel_requested = false;
    uint32_t heap_index = 0;   // Timeouts: the place in the loop's queue.
    uint64_t deadline_ns = 0;  // Timeouts; while staged, how long they shall take.
    uint64_t sequence = 0;     // Timeouts: breaks ties first in, first out.
    Event* event = nullptr;    // Events: what is listened for.
    void* context = nullptr;   // The callback's object, and its function with the type erased.
    void (*function)() = nullptr;
};

using CompletionList = IntrusiveList<Completion, &Completion::link>;

}  // namespace blockd::io
