// What the kqueue backend tells its kernel, and what it makes of answers that no real kernel gives
// on demand. A program of its own: it brings its own kernel_queue.h functions, so that the linker
// takes no others.
#include "io/backend_kqueue.h"
#include "io/kernel_queue.h"
#include "io/loop_conformance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace blockd::io {
namespace {

struct Script {
    std::vector<struct kevent> changes;              // All that were handed over.
    std::deque<std::vector<struct kevent>> answers;  // One a call; none: no events.
    std::vector<uint64_t> waits_ns;                  // One a call that takes events.
    std::vector<int32_t> forgotten;
};
Script script;

}  // namespace

int32_t open_kernel_queue() { return 1'000'000; }
void close_kernel_queue(int32_t) {}
void forget_in_kernel_queues(int32_t fd) { script.forgotten.push_back(fd); }

int32_t wait_in_kernel_queue(int32_t, const KernelQueueWait& wait) {
    script.changes.insert(script.changes.end(), wait.changes, wait.changes + wait.change_count);
    if (wait.event_count_max == 0) return 0;
    script.waits_ns.push_back(wait.wait_ns);
    if (script.answers.empty()) return 0;
    const std::vector<struct kevent> events = std::exchange(script.answers.front(), {});
    script.answers.pop_front();
    std::copy(events.begin(), events.end(), wait.events);
    return static_cast<int32_t>(events.size());
}

namespace {

class KqueueScript : public testing::Test {
  protected:
    KqueueScript() { script.answers.clear(); }

    std::array<Fd, 2> make_pair() {
        std::array<int, 2> pair{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
        for (const int fd : pair) EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        return {static_cast<Fd>(pair[0]), static_cast<Fd>(pair[1])};
    }
    void recv(Outcome<uint32_t>& outcome, Fd socket) {
        loop.recv(outcome.completion, {.socket = socket, .vectors = buffer.vectors()},
                  outcome.callback());
    }
    void close(Fd fd) {
        Outcome<Ok> closing;
        loop.close(closing.completion, {.fd = fd}, closing.callback());
        loop.tick();
        EXPECT_TRUE(closing.has_value());
    }
    // The event that a kernel sends for what was registered last.
    static struct kevent last_event(uint16_t flags = 0) {
        struct kevent event = script.changes.back();
        event.flags = static_cast<uint16_t>(EV_ONESHOT | flags);
        return event;
    }

    Script& reset_ = (script = {}, script);
    Loop loop{std::move(*make_kqueue_backend({.disk_workers = 1}))};
    Buffer buffer{8};
};

// Rule 6. Without EV_CLEAR a real doorbell would be reported for ever.
TEST_F(KqueueScript, TheDoorbellIsAUserEventThatClearsItself) {
    ASSERT_EQ(script.changes.size(), 1u);
    EXPECT_EQ(script.changes[0].filter, EVFILT_USER);
    EXPECT_EQ(script.changes[0].flags, EV_ADD | EV_ENABLE | EV_CLEAR);
}

// Rule 6: flags of a registered event never change, so each registration has all of them.
TEST_F(KqueueScript, EveryRegistrationAddsEnablesAndIsForOneShot) {
    const auto [near, far] = make_pair();
    Outcome<uint32_t> receiving;
    recv(receiving, near);
    loop.tick();
    const struct kevent change = script.changes.back();
    EXPECT_EQ(change.ident, static_cast<uintptr_t>(near));
    EXPECT_EQ(change.filter, EVFILT_READ);
    EXPECT_EQ(change.flags, EV_ADD | EV_ENABLE | EV_ONESHOT);
    loop.cancel_fd(near);
    loop.tick();
    close(near);
    close(far);
}

// Rule 3: the cookie of the number's former life reaches nobody, though data is there to be read.
TEST_F(KqueueScript, AnEventOfAnFdsFormerLifeReachesNobody) {
    const auto [old_near, old_far] = make_pair();
    Outcome<uint32_t> cancelled, receiving;
    recv(cancelled, old_near);
    loop.tick();
    const struct kevent stale = last_event();
    loop.cancel_fd(old_near);
    loop.tick();
    close(old_near);
    const auto [near, far] = make_pair();
    ASSERT_EQ(near, old_near) << "the number comes back";
    write_all(far, "new");
    recv(receiving, near);
    loop.tick();
    EXPECT_NE(script.changes.back().udata, stale.udata);
    script.answers.push_back({stale});
    loop.tick();
    EXPECT_FALSE(receiving.is_done());
    script.answers.push_back({last_event()});
    loop.tick();
    EXPECT_TRUE(receiving.has_value());
    for (const Fd fd : {near, far, old_far}) close(fd);
}

// Rule 6: macOS leaves the change's flags beside EV_ERROR. The receive itself would succeed.
TEST_F(KqueueScript, AFailedRegistrationFailsItsOperationAndIsNotTriedAgain) {
    const auto [near, far] = make_pair();
    write_all(far, "data");
    Outcome<uint32_t> receiving;
    recv(receiving, near);
    loop.tick();
    struct kevent failure = script.changes.back();
    failure.flags |= EV_ERROR;
    failure.data = ENOMEM;
    script.answers.push_back({failure});
    loop.tick();
    ASSERT_TRUE(receiving.is_done());
    EXPECT_TRUE(receiving.is_error(ErrorCode::no_memory));
    close(near);
    close(far);
}

// Rule 5: a wake() before the sleep turns it into a poll; it is not rung for, either.
TEST_F(KqueueScript, ALoopThatWasWokenDoesNotSleep) {
    Event event;
    loop.open_event(event);
    const size_t change_count = script.changes.size();
    loop.event_trigger(event);
    loop.flush(second_ns);
    EXPECT_EQ(script.waits_ns.back(), 0u);
    EXPECT_EQ(script.changes.size(), change_count) << "awake: no system call was needed";
    loop.flush(second_ns);
    EXPECT_EQ(script.waits_ns.back(), second_ns) << "once";
    loop.close_event(event);
}

// Readiness is a hint. A full list of hints that were wrong fills the change list again, while one
// more change waits for room.
TEST_F(KqueueScript, AListFullOfFalseHintsIsHandedOverAgain) {
    constexpr size_t count = 257;
    std::deque<std::array<Fd, 2>> pairs;
    std::deque<Outcome<uint32_t>> receives(count);
    for (size_t index = 0; index < count; ++index) pairs.push_back(make_pair());
    std::vector<struct kevent> hints;
    for (size_t index = 0; index + 1 < count; ++index) {
        struct kevent hint {};
        hint.filter = EVFILT_READ;
        hint.udata = reinterpret_cast<void*>(static_cast<uintptr_t>(pairs[index][0]));
        hints.push_back(hint);
    }
    script.answers.push_back(hints);
    for (size_t index = 0; index < count; ++index) recv(receives[index], pairs[index][0]);
    loop.tick();
    for (const std::array<Fd, 2>& pair : pairs) loop.cancel_fd(pair[0]);
    while (loop.in_flight_count() > 0) loop.tick();
    for (const std::array<Fd, 2>& pair : pairs) {
        ::close(static_cast<int>(pair[0]));
        ::close(static_cast<int>(pair[1]));
    }
}

}  // namespace
}  // namespace blockd::io
