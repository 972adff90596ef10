#include "io/backend_kqueue.h"

#include "io/clock.h"
#include "io/kernel_queue.h"
#include "io/listen_socket.h"
#include "io/os_error.h"
#include "io/socket.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

namespace blockd::io {
namespace {

bool is_reader(OperationKind kind) {
    return kind == OperationKind::accept || kind == OperationKind::recv;
}

bool is_writer(OperationKind kind) {
    return kind == OperationKind::connect || kind == OperationKind::send;
}

bool would_block(int64_t result) { return result == -EAGAIN || result == -EINPROGRESS; }

void* cookie_of(uint32_t generation, Fd fd) {
    static_assert(sizeof(void*) == sizeof(uint64_t));
    const uint64_t cookie = uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
    return reinterpret_cast<void*>(cookie);
}

uint32_t generation_of(void* cookie) {
    return static_cast<uint32_t>(reinterpret_cast<uint64_t>(cookie) >> 32);
}

Fd fd_of(void* cookie) {
    return static_cast<Fd>(static_cast<int32_t>(reinterpret_cast<uint64_t>(cookie) & UINT32_MAX));
}

uint64_t size_of(std::span<const IoVector> vectors) {
    uint64_t size = 0;
    for (const IoVector& vector : vectors) size += vector.size;
    return size;
}

int32_t change_doorbell(const KernelQueue& queue, uint16_t flags, uint32_t notes) {
    struct kevent change {};
    change.ident = 0;
    change.filter = EVFILT_USER;
    change.flags = flags;
    change.fflags = notes;
    return wait_in_kernel_queue(queue.number(), {.changes = &change,
                                                 .change_count = 1,
                                                 .events = nullptr,
                                                 .event_count_max = 0,
                                                 .wait_ns = 0});
}

}  // namespace

Result<std::unique_ptr<Backend>> make_kqueue_backend(const BackendOptions& options) {
    ASSERT(options.disk_workers > 0);
    ASSERT(options.disk_workers <= disk_workers_max);
    const int32_t number = open_kernel_queue();
    if (number < 0) return error_from_errno(-number, "open kqueue");
    auto queue = std::make_unique<KernelQueue>(number);
    // Without EV_CLEAR a doorbell once rung would be reported for ever.
    const int32_t status = change_doorbell(*queue, EV_ADD | EV_ENABLE | EV_CLEAR, 0);
    if (status < 0) return error_from_errno(-status, "open kqueue's doorbell");
    std::unique_ptr<Backend> backend = std::make_unique<KqueueBackend>(std::move(queue), options);
    if (backend->disk_depth() < options.disk_workers) {
        return Error{.code = ErrorCode::no_memory, .during = "start disk workers"};
    }
    return backend;
}

KqueueBackend::KqueueBackend(std::unique_ptr<KernelQueue> queue, const BackendOptions& options)
    : queue_(std::move(queue)),
      workers_(options.disk_workers, {.context = this, .ring = [](void* context) {
                                          static_cast<KqueueBackend*>(context)->wake();
                                      }}) {}

uint64_t KqueueBackend::now_ns() { return monotonic_now_ns(); }

void KqueueBackend::submit(CompletionList& submitted, CompletionList& completed) {
    while (Completion* const completion = submitted.pop_front()) begin(*completion, completed);
    workers_.push(disk_operations_);
}

void KqueueBackend::begin(Completion& completion, CompletionList& completed) {
    const Operation& operation = completion.operation;
    switch (operation.kind) {
        case OperationKind::accept:
        case OperationKind::recv:
            if (slots_[operation.fd].is_read_likely) return attempt(completion, completed);
            return wait_for_readiness(completion, completed);
        case OperationKind::connect:
            completion.result = start_connecting(operation.fd, *operation.address);
            if (would_block(completion.result)) return wait_for_readiness(completion, completed);
            return completed.push_back(completion);
        case OperationKind::send: return attempt(completion, completed);
        case OperationKind::read:
        case OperationKind::write:
        case OperationKind::sync:
        case OperationKind::punch_hole:
        case OperationKind::zero_range:
        case OperationKind::extents:
        case OperationKind::open: return begin_disk_operation(completion);
        case OperationKind::close: return begin_close(completion, completed);
        case OperationKind::none:
        case OperationKind::timeout:
        case OperationKind::next_tick:
        case OperationKind::event: break;
    }
    ASSERT(false);
}

void KqueueBackend::begin_disk_operation(Completion& completion) {
    if (completion.operation.fd != Fd::none) slots_[completion.operation.fd].is_file = true;
    disk_operations_.push_back(completion);
}

// Closing a file may write to its disk; closing a socket does not sleep.
void KqueueBackend::begin_close(Completion& completion, CompletionList& completed) {
    const Fd fd = completion.operation.fd;
    Slot& slot = slots_[fd];
    ASSERT(slot.reader == nullptr && slot.writer == nullptr);
    const bool is_file = slot.is_file;
    slot = {.generation = slot.generation + 1};
    forget_changes(fd);
    // Also of a file: the number may have been a file's before, closed without this backend.
    forget_in_kernel_queues(static_cast<int32_t>(fd));
    if (is_file) return disk_operations_.push_back(completion);
    // close(2): the fd is gone even after EINTR; a second try might close somebody else's.
    completion.result = ::close(static_cast<int>(fd)) == 0 || errno == EINTR ? 0 : -errno;
    completed.push_back(completion);
}

// What was cancelled in this turn: handed over, it would be made for the number's next owner.
void KqueueBackend::forget_changes(Fd fd) {
    struct kevent* const begin = changes_.data();
    struct kevent* const end = std::remove_if(
        begin, begin + change_count_,
        [fd](const struct kevent& change) { return change.ident == static_cast<uintptr_t>(fd); });
    change_count_ = static_cast<size_t>(end - begin);
}

// Performs a socket operation, or lets it wait for readiness when it would block.
void KqueueBackend::attempt(Completion& completion, CompletionList& completed) {
    const Operation& operation = completion.operation;
    switch (operation.kind) {
        case OperationKind::accept:
            completion.result = accept_connection(operation.fd);
            slots_[operation.fd].is_read_likely = completion.result >= 0;
            break;
        case OperationKind::recv:
            completion.result = receive(operation.fd, operation.vectors);
            slots_[operation.fd].is_read_likely =
                completion.result > 0 &&
                static_cast<uint64_t>(completion.result) == size_of(operation.vectors);
            break;
        case OperationKind::connect: completion.result = connect_result(operation.fd); break;
        default:
            ASSERT(operation.kind == OperationKind::send);
            completion.result = transmit(operation.fd, operation.vectors);
            break;
    }
    if (would_block(completion.result)) return wait_for_readiness(completion, completed);
    completed.push_back(completion);
}

void KqueueBackend::wait_for_readiness(Completion& completion, CompletionList& completed) {
    Slot& slot = slots_[completion.operation.fd];
    Completion*& waiting = is_reader(completion.operation.kind) ? slot.reader : slot.writer;
    ASSERT(waiting == nullptr);
    waiting = &completion;
    push_change(completion.operation, completed);
}

// The flags of a registered event never change: a kqueue would ignore the new ones.
void KqueueBackend::push_change(const Operation& operation, CompletionList& completed) {
    // Hints that were wrong may fill it again at once.
    while (change_count_ == changes_.size()) exchange(completed, 0);
    ASSERT(change_count_ < changes_.size());
    struct kevent& change = changes_[change_count_++];
    change = {};
    change.ident = static_cast<uintptr_t>(operation.fd);
    change.filter = is_reader(operation.kind) ? EVFILT_READ : EVFILT_WRITE;
    change.flags = EV_ADD | EV_ENABLE | EV_ONESHOT;
    change.udata = cookie_of(slots_[operation.fd].generation, operation.fd);
}

void KqueueBackend::poll(CompletionList& completed, uint64_t wait_ns) {
    const bool may_sleep = wait_ns > 0 && sleep_gate_.prepare_sleep();
    exchange(completed, may_sleep ? wait_ns : 0);
    sleep_gate_.end_sleep();
    workers_.collect(completed);
}

void KqueueBackend::wake() {
    if (!sleep_gate_.wake()) return;
    const int32_t status = change_doorbell(*queue_, 0, NOTE_TRIGGER);
    ASSERT(status == 0);
}

// One kevent() call hands over the changes and waits for events.
void KqueueBackend::exchange(CompletionList& completed, uint64_t wait_ns) {
    const int32_t count = wait_in_kernel_queue(queue_->number(), {.changes = changes_.data(),
                                                                  .change_count = change_count_,
                                                                  .events = events_.data(),
                                                                  .event_count_max = events_.size(),
                                                                  .wait_ns = wait_ns});
    // A signal ends the sleep only; the changes were made before. macOS has been seen to say
    // ETIMEDOUT for a time-out, which is otherwise no event at all.
    ASSERT(count >= 0 || count == -EINTR || count == -ETIMEDOUT);
    change_count_ = 0;
    for (int32_t index = 0; index < count; ++index) {
        take_event(events_[static_cast<size_t>(index)], completed);
    }
}

void KqueueBackend::take_event(const struct kevent& event, CompletionList& completed) {
    if (event.filter == EVFILT_USER) return;
    Slot& slot = slots_[fd_of(event.udata)];
    if (generation_of(event.udata) != slot.generation) return;
    Completion*& waiting = event.filter == EVFILT_READ ? slot.reader : slot.writer;
    if (waiting == nullptr) return;
    Completion& completion = *std::exchange(waiting, nullptr);
    // A bit among others: macOS adds it to the change's own flags. EV_EOF is no error: data may
    // still be there, and the system call tells what is.
    if ((event.flags & EV_ERROR) != 0) {
        completion.result = -static_cast<int64_t>(event.data);
        return completed.push_back(completion);
    }
    if (completion.operation.kind == OperationKind::connect && (event.flags & EV_EOF) != 0) {
        return end_connect(completion, completed);
    }
    attempt(completion, completed);
}

// The socket has hung up. A receive beside the connect may have taken the reason: then the socket
// says that it is still connecting, and would be found to have hung up again and again.
void KqueueBackend::end_connect(Completion& completion, CompletionList& completed) {
    completion.result = connect_result(completion.operation.fd);
    if (would_block(completion.result)) completion.result = -ECONNREFUSED;
    completed.push_back(completion);
}

void KqueueBackend::cancel(Completion& completion, CompletionList& completed) {
    const Operation& operation = completion.operation;
    if (is_reader(operation.kind) || is_writer(operation.kind)) {
        Slot& slot = slots_[operation.fd];
        // Its event may still come, and finds nobody.
        (is_reader(operation.kind) ? slot.reader : slot.writer) = nullptr;
    } else if (!workers_.take_back(completion)) {
        return;
    }
    completion.result = -ECANCELED;
    completed.push_back(completion);
}

Result<Fd> KqueueBackend::open_socket(AddressFamily family) { return open_stream_socket(family); }

Result<Fd> KqueueBackend::listen(const ListenOptions& options) {
    return open_listen_socket(options);
}

void KqueueBackend::shutdown(Fd socket, ShutdownKind kind) { shut_down(socket, kind); }

Result<Address> KqueueBackend::local_address(Fd socket) { return local_address_of(socket); }

Result<Address> KqueueBackend::peer_address(Fd socket) { return peer_address_of(socket); }

}  // namespace blockd::io
