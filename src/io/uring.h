// io_uring(7), as far as the backend needs it: a ring of requests to the kernel, and its answers.
//
// One thread alone uses a ring: the one that enables it. Any thread may ring its doorbell.
#pragma once

#include <blockd/error.h>

#include <cstddef>
#include <cstdint>
#include <liburing.h>

namespace blockd::io {

class Uring {
  public:
    // A request waits in the ring until the next enter(), which takes all that are there.
    static constexpr uint32_t entries = 256;
    // Answers that find no room in the ring are kept by the kernel, at a price.
    static constexpr uint32_t answers_max = 4096;

    struct Answer {
        uint64_t cookie;
        int32_t result;  // 0 or more, or a negated errno.
    };

    Uring() = default;
    Uring(const Uring&) = delete;
    Uring& operator=(const Uring&) = delete;
    ~Uring();

    // 0, or a negated errno: ENOSYS, EPERM or EACCES where io_uring is blocked, EINVAL where the
    // kernel is older than Linux 6.1, ENOMEM, EMFILE or ENFILE where there is no room.
    int32_t open();

    // Binds the ring to the calling thread. 0, or a negated errno where that is denied.
    int32_t enable();

    // Ends a sleep of enter(), now or the next one. Any thread.
    void ring_doorbell();

    // An empty request. When the ring is full the kernel takes what is there first.
    io_uring_sqe& next_request();

    // Which of the ring's places a request has: 0 to entries - 1.
    size_t place_of(const io_uring_sqe& request) const;

    // Answers that end a gather(), and how long one takes without them. A client that sends one
    // request after the other, some microseconds each, and the send before it are two answers.
    static constexpr uint32_t gathered_answers_max = 3;
    static constexpr uint64_t gather_ns = 15'000;

    // Hands all requests over. Sleeps until there is an answer, up to `wait_ns`; 0 never sleeps.
    void enter(uint64_t wait_ns);

    // Hands all requests over, and sleeps although there is an answer: what comes meanwhile costs
    // no wake-up, and one receive brings several requests of a client.
    void gather();

    // The same for a ring that may be denied: 0 or more, or a negated errno.
    int32_t try_enter(uint64_t wait_ns);

    // Without a system call, what the kernel has told already.
    bool has_answer() const { return io_uring_cq_ready(&ring_) > 0; }

    // False when there is none. Cookies are the caller's, 1 excepted.
    bool take_answer(Answer& answer);

  private:
    static constexpr uint64_t doorbell_cookie = 1;

    void listen_to_doorbell();

    io_uring ring_{};
    bool is_open_ = false;
    int32_t doorbell_ = -1;  // An eventfd.
};

// Whether io_uring works here: not only whether a ring can be made, since a profile may allow that
// and deny its use. 0, or a negated errno as of Uring::open().
int32_t probe_uring();

}  // namespace blockd::io
