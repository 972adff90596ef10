#include "io/uring.h"

#include "io/clock.h"

#include <blockd/assert.h>

#include <cerrno>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace blockd::io {
namespace {

// How long a request that can end at once may take in a ring that works.
constexpr uint64_t probe_wait_ns = 1'000'000'000;

__kernel_timespec timespec_of(uint64_t duration_ns) {
    __kernel_timespec time{};
    time.tv_sec = static_cast<decltype(time.tv_sec)>(duration_ns / 1'000'000'000);
    time.tv_nsec = static_cast<decltype(time.tv_nsec)>(duration_ns % 1'000'000'000);
    return time;
}

// Where the kernel writes how often a doorbell was rung, which nobody asks. Outlives every ring:
// the kernel lets go of a closed ring's requests when it gets to it.
uint64_t doorbell_count = 0;

// What the kernel may say of a hand-over without harm: requests that it has not taken stay in the
// ring for the next one. EAGAIN, ENOMEM: no memory for them now.
bool is_harmless(int32_t status) {
    switch (-status) {
        case ETIME:
        case EINTR:
        case EAGAIN:
        case EBUSY:
        case ENOMEM: return true;
        default: return false;
    }
}

}  // namespace

Uring::~Uring() {
    if (is_open_) io_uring_queue_exit(&ring_);
    if (doorbell_ >= 0) ::close(doorbell_);
}

int32_t Uring::open() {
    io_uring_params parameters{};
    // DEFER_TASKRUN: answers are written when this thread asks for them, and a sleep for several is
    // not ended by each. SUBMIT_ALL: a request that is wrong fails alone. R_DISABLED: see enable().
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                       IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
    parameters.cq_entries = answers_max;
    const int status = io_uring_queue_init_params(entries, &ring_, &parameters);
    if (status < 0) return status;
    is_open_ = true;
    io_uring_ring_dontfork(&ring_);
    constexpr uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                                IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
    if ((parameters.features & needed) != needed) return -EINVAL;
    doorbell_ = ::eventfd(0, EFD_CLOEXEC);
    return doorbell_ < 0 ? -errno : 0;
}

int32_t Uring::enable() {
    // liburing 2.3 declares io_uring_enable_rings(), but does not export it.
    const auto descriptor = static_cast<unsigned>(ring_.ring_fd);
    const int status = io_uring_register(descriptor, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (status < 0) return status;
    listen_to_doorbell();
    return 0;
}

// The whole of it is read, once for however many rings: nothing is left that a poll would report
// again.
void Uring::listen_to_doorbell() {
    io_uring_sqe& request = next_request();
    io_uring_prep_read(&request, doorbell_, &doorbell_count, sizeof(doorbell_count), 0);
    request.user_data = doorbell_cookie;
}

void Uring::ring_doorbell() {
    const uint64_t one = 1;
    const ssize_t written = ::write(doorbell_, &one, sizeof(one));
    ASSERT(written == sizeof(one));
}

io_uring_sqe& Uring::next_request() {
    for (;;) {
        io_uring_sqe* const request = io_uring_get_sqe(&ring_);
        if (request != nullptr) return *request;
        // The kernel takes what is there, unless it has no memory for it: then there is nothing
        // better to do than to ask again.
        const int status = io_uring_submit(&ring_);
        ASSERT(status >= 0 || is_harmless(status));
        if (status <= 0) sched_yield();
    }
}

size_t Uring::place_of(const io_uring_sqe& request) const {
    return static_cast<size_t>(&request - ring_.sq.sqes);
}

void Uring::enter(uint64_t wait_ns) {
    const int32_t status = try_enter(wait_ns);
    ASSERT(status >= 0 || is_harmless(status));
}

int32_t Uring::try_enter(uint64_t wait_ns) {
    // Without a request it enters only when the kernel has something to tell.
    if (wait_ns == 0) return io_uring_submit(&ring_);
    __kernel_timespec time = timespec_of(wait_ns);
    io_uring_cqe* first = nullptr;
    return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &time, nullptr);
}

void Uring::gather() {
    __kernel_timespec time = timespec_of(gather_ns);
    io_uring_cqe* first = nullptr;
    const int status =
        io_uring_submit_and_wait_timeout(&ring_, &first, gathered_answers_max, &time, nullptr);
    ASSERT(status >= 0 || is_harmless(status));
}

bool Uring::take_answer(Answer& answer) {
    io_uring_cqe* entry = nullptr;
    while (io_uring_peek_cqe(&ring_, &entry) == 0) {
        answer = {.cookie = entry->user_data, .result = entry->res};
        io_uring_cqe_seen(&ring_, entry);
        if (answer.cookie != doorbell_cookie) return true;
        listen_to_doorbell();
    }
    return false;
}

int32_t probe_uring() {
    static uint64_t count = 0;  // Like doorbell_count.
    constexpr uint64_t cookie = 2;
    Uring ring;
    int32_t status = ring.open();
    if (status == 0) status = ring.enable();
    if (status < 0) return status;
    const int file = ::eventfd(0, EFD_CLOEXEC);
    if (file < 0) return -errno;
    io_uring_sqe& request = ring.next_request();
    io_uring_prep_read(&request, file, &count, sizeof(count), 0);
    request.user_data = cookie;
    status = ring.try_enter(0);
    const uint64_t one = 1;
    const ssize_t written = ::write(file, &one, sizeof(one));
    ASSERT(written == sizeof(one));

    const uint64_t deadline_ns = monotonic_now_ns() + probe_wait_ns;
    Uring::Answer answer{.cookie = 0, .result = -ETIMEDOUT};
    while (status >= 0 || is_harmless(status)) {
        if (ring.take_answer(answer) || monotonic_now_ns() >= deadline_ns) break;
        status = ring.try_enter(probe_wait_ns / 10);
    }
    ::close(file);
    if (answer.cookie != cookie) {
        // A ring that takes the request and never answers is no ring that works.
        if (status < 0 && (status == -EAGAIN || status == -ENOMEM || !is_harmless(status))) {
            return status;
        }
        return -ENOSYS;
    }
    if (answer.result == sizeof(count)) return 0;
    return answer.result < 0 ? answer.result : -ENOSYS;
}

}  // namespace blockd::io
