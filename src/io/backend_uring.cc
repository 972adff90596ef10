#include "io/backend_uring.h"

#include "io/clock.h"
#include "io/listen_socket.h"
#include "io/os_error.h"
#include "io/socket.h"
#include "io/socket_options.h"

#include <blockd/assert.h>

#include <cerrno>
#include <unistd.h>
#include <utility>

namespace blockd::io {
namespace {

// As many disk requests are handed over without waiting for the end of the turn.
constexpr uint32_t disk_batch_size = 16;

// Cookies of requests: a Completion's address. Unlike an event of kqueue's, which may come when
// nobody waits any more, each request has one answer.
constexpr uint64_t cancel_cookie = 2;  // Its answer says nothing: the cancelled request's does.
static_assert(alignof(Completion) > cancel_cookie);
constexpr uint64_t vector_size_max = UINT32_MAX;  // What a request can say.

int number(Fd fd) { return static_cast<int>(fd); }

uint64_t cookie_of(const Completion& completion) { return reinterpret_cast<uint64_t>(&completion); }

bool is_socket_operation(OperationKind kind) {
    switch (kind) {
        case OperationKind::accept:
        case OperationKind::connect:
        case OperationKind::recv:
        case OperationKind::send: return true;
        default: return false;
    }
}

bool is_try_again(int64_t result) { return result == -EAGAIN || result == -EINTR; }

}  // namespace

Result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options) {
    ASSERT(options.disk_workers > 0);
    ASSERT(options.disk_workers <= disk_workers_max);
    const int32_t probed = probe_uring();
    if (probed < 0) return error_from_errno(-probed, "use io_uring");
    auto ring = std::make_unique<Uring>();
    const int32_t opened = ring->open();
    if (opened < 0) return error_from_errno(-opened, "open io_uring");
    auto backend = std::make_unique<UringBackend>(std::move(ring), options);
    if (backend->worker_count() < options.disk_workers) {
        return Error{.code = ErrorCode::no_memory, .during = "start disk workers"};
    }
    return std::unique_ptr<Backend>(std::move(backend));
}

UringBackend::UringBackend(std::unique_ptr<Uring> ring, const BackendOptions& options)
    : file_transfers_(options.file_transfers),
      ring_(std::move(ring)),
      workers_(options.disk_workers, {.context = this, .ring = [](void* context) {
                                          static_cast<UringBackend*>(context)->wake();
                                      }}) {}

uint64_t UringBackend::now_ns() { return monotonic_now_ns(); }

uint32_t UringBackend::disk_depth() const {
    const bool is_in_kernel = file_transfers_ == FileTransfers::in_kernel;
    return is_in_kernel ? requests_in_flight_max : worker_count();
}

// The thread that runs the loop is the ring's one issuer, whoever made it.
void UringBackend::enable() {
    if (std::exchange(is_enabled_, true)) return;
    const int32_t status = ring_->enable();
    ASSERT(status == 0);  // probe_uring() was allowed to.
}

// Disks start while other requests are still parsed; all else waits for the enter of this turn's
// poll(), which costs no system call of its own. Except beside busy disk workers: what is sent is
// copied in the enter, and in that of a poll() they would ring for a loop that only seems to sleep
// (measured: 2,600 times in a copy of 8,192 pieces, which took 5 % longer).
void UringBackend::submit(CompletionList& submitted, CompletionList& completed) {
    enable();
    while (Completion* const completion = submitted.pop_front()) begin(*completion, completed);
    workers_.push(worker_operations_);
    const bool may_wait = file_transfers_ == FileTransfers::in_kernel;
    if (may_wait && disk_requests_waiting_ < disk_batch_size) return;
    disk_requests_waiting_ = 0;
    ring_->enter(0);
}

void UringBackend::begin(Completion& completion, CompletionList& completed) {
    const Operation& operation = completion.operation;
    switch (operation.kind) {
        case OperationKind::accept:
        case OperationKind::connect:
        case OperationKind::recv:
        case OperationKind::send: return request(completion);
        case OperationKind::read:
        case OperationKind::write:
            slots_[operation.fd].is_file = true;
            if (file_transfers_ == FileTransfers::on_disk_workers) {
                return worker_operations_.push_back(completion);
            }
            ++disk_requests_waiting_;
            return request(completion);
        case OperationKind::sync:
        case OperationKind::punch_hole:
        case OperationKind::zero_range:
        case OperationKind::extents:
        case OperationKind::open:
            if (operation.fd != Fd::none) slots_[operation.fd].is_file = true;
            return worker_operations_.push_back(completion);
        case OperationKind::close: return begin_close(completion, completed);
        case OperationKind::none:
        case OperationKind::timeout:
        case OperationKind::next_tick:
        case OperationKind::event: break;
    }
    ASSERT(false);
}

// Closing a file may write to its disk; closing a socket does not sleep.
void UringBackend::begin_close(Completion& completion, CompletionList& completed) {
    const Fd fd = completion.operation.fd;
    if (std::exchange(slots_[fd].is_file, false)) return worker_operations_.push_back(completion);
    // close(2): the fd is gone even after EINTR; a second try might close somebody else's.
    completion.result = ::close(number(fd)) == 0 || errno == EINTR ? 0 : -errno;
    completed.push_back(completion);
}

void UringBackend::request(Completion& completion) {
    const Operation& operation = completion.operation;
    const int fd = number(operation.fd);
    io_uring_sqe& entry = ring_->next_request();
    switch (operation.kind) {
        case OperationKind::accept:
            io_uring_prep_accept(&entry, fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            break;
        case OperationKind::connect:
            io_uring_prep_connect(
                &entry, fd, static_cast<const struct sockaddr*>(operation.address->sockaddr()),
                static_cast<socklen_t>(operation.address->sockaddr_size()));
            break;
        case OperationKind::recv:
        case OperationKind::send: request_message(entry, operation); break;
        case OperationKind::read:
            io_uring_prep_read(&entry, fd, operation.data, static_cast<unsigned>(operation.size),
                               operation.offset);
            break;
        default:
            ASSERT(operation.kind == OperationKind::write);
            io_uring_prep_write(&entry, fd, operation.data, static_cast<unsigned>(operation.size),
                                operation.offset);
            break;
    }
    entry.user_data = cookie_of(completion);
}

// One vector needs no message. The kernel copies a message when it takes the request; until then it
// lies in the request's place. At a receive's end the kernel writes flags and the size of control
// data there, when it may be another's: a message that wants either needs a place of its own.
void UringBackend::request_message(io_uring_sqe& entry, const Operation& operation) {
    const int fd = number(operation.fd);
    const bool is_send = operation.kind == OperationKind::send;
    if (operation.vectors.size() == 1) {
        const IoVector& vector = operation.vectors.front();
        ASSERT(vector.size <= vector_size_max);
        if (is_send) {
            io_uring_prep_send(&entry, fd, vector.base, vector.size, transmit_flags());
        } else {
            io_uring_prep_recv(&entry, fd, vector.base, vector.size, 0);
        }
        return;
    }
    msghdr& message = messages_[ring_->place_of(entry)];
    message = message_of(operation.vectors);
    if (is_send) {
        io_uring_prep_sendmsg(&entry, fd, &message, static_cast<unsigned>(transmit_flags()));
    } else {
        io_uring_prep_recvmsg(&entry, fd, &message, 0);
    }
}

// After an answer that says "try again", unless the owner has had enough meanwhile: what was to
// cancel the request found it ended.
void UringBackend::request_again(Completion& completion, CompletionList& completed) {
    if (!completion.is_cancel_requested) return request(completion);
    completion.result = -ECANCELED;
    completed.push_back(completion);
}

void UringBackend::poll(CompletionList& completed, uint64_t wait_ns) {
    enable();
    const bool may_sleep = wait_ns > 0 && !ring_->has_answer() && sleep_gate_.prepare_sleep();
    disk_requests_waiting_ = 0;
    if (std::exchange(expects_more_, false) && may_sleep) ring_->gather();
    ring_->enter(may_sleep && !ring_->has_answer() ? wait_ns : 0);
    sleep_gate_.end_sleep();
    reap(completed);
    workers_.push(worker_operations_);
    workers_.collect(completed);
}

void UringBackend::reap(CompletionList& completed) {
    Uring::Answer answer{};
    while (ring_->take_answer(answer)) {
        if (answer.cookie == cancel_cookie) continue;
        end(*reinterpret_cast<Completion*>(answer.cookie), answer.result, completed);
    }
}

void UringBackend::end(Completion& completion, int64_t result, CompletionList& completed) {
    switch (completion.operation.kind) {
        case OperationKind::accept: return end_accept(completion, result, completed);
        case OperationKind::connect: return end_connect(completion, result, completed);
        case OperationKind::send:
            if (result < 0) result = transmit_failure(static_cast<int32_t>(-result));
            [[fallthrough]];
        case OperationKind::recv:
            if (is_try_again(result)) return request_again(completion, completed);
            completion.result = result;
            return completed.push_back(completion);
        default: return end_transfer(completion, result, completed);
    }
}

void UringBackend::end_accept(Completion& completion, int64_t result, CompletionList& completed) {
    if (is_try_again(result) || is_error_of_one_connection(static_cast<int32_t>(-result))) {
        return request_again(completion, completed);
    }
    if (result >= 0) prepare_accepted_socket(static_cast<Fd>(result));
    completion.result = result;
    completed.push_back(completion);
}

// 0 is no proof: a receive beside the connect may have taken the reason why it failed, which older
// kernels do not notice. Then the socket says that it is still connecting.
void UringBackend::end_connect(Completion& completion, int64_t result, CompletionList& completed) {
    if (result == 0) result = connect_result(completion.operation.fd);
    // connect(2): EAGAIN, a unix listener whose backlog is full.
    const bool is_refused = result == -EINPROGRESS || result == -EAGAIN;
    completion.result = is_refused ? -ECONNREFUSED : result;
    completed.push_back(completion);
}

// A transfer that was cut short, by a signal or by the end of the file, or that the kernel found no
// thread for (ECANCELED: nobody else cancels it), is made again, whole, where the whole is asked
// for as often as it takes.
void UringBackend::end_transfer(Completion& completion, int64_t result, CompletionList& completed) {
    const bool is_short = result >= 0 && static_cast<uint64_t>(result) < completion.operation.size;
    if (is_short || result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
        return worker_operations_.push_back(completion);
    }
    completion.result = result;
    completed.push_back(completion);
}

// Of disks, only what a worker has not begun yet: reads and writes end soon, and a sync that was
// interrupted would leave open what it has done.
void UringBackend::cancel(Completion& completion, CompletionList& completed) {
    const OperationKind kind = completion.operation.kind;
    if (is_socket_operation(kind)) {
        io_uring_sqe& entry = ring_->next_request();
        io_uring_prep_cancel64(&entry, cookie_of(completion), 0);
        entry.user_data = cancel_cookie;
        return;
    }
    if (!workers_.take_back(completion)) return;
    completion.result = -ECANCELED;
    completed.push_back(completion);
}

void UringBackend::wake() {
    if (sleep_gate_.wake()) ring_->ring_doorbell();
}

Result<Fd> UringBackend::open_socket(AddressFamily family) { return open_stream_socket(family); }

Result<Fd> UringBackend::listen(const ListenOptions& options) {
    return open_listen_socket(options);
}

void UringBackend::shutdown(Fd socket, ShutdownKind kind) { shut_down(socket, kind); }

Result<Address> UringBackend::local_address(Fd socket) { return local_address_of(socket); }

Result<Address> UringBackend::peer_address(Fd socket) { return peer_address_of(socket); }

}  // namespace blockd::io
