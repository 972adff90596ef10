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
#include <memory>
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
    bool was_open_when_forgotten = false;  // The last one.
};
Script script;

struct ChangeOf {
    Fd fd;
    int16_t filter;
};

const struct kevent* last_change(const ChangeOf& wanted) {
    for (auto change = script.changes.rbegin(); change != script.changes.rend(); ++change) {
        if (change->ident == static_cast<uintptr_t>(wanted.fd) && change->filter == wanted.filter) {
            return &*change;
        }
    }
    return nullptr;
}

}  // namespace

int32_t open_kernel_queue() { return 1'000'000; }
void close_kernel_queue(int32_t) {}
void forget_in_kernel_queues(int32_t fd) {
    script.forgotten.push_back(fd);
    script.was_open_when_forgotten = ::fcntl(fd, F_GETFD) >= 0;
}

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

// A queue on epoll could not find the events any more once the fd is closed.
TEST_F(KqueueScript, AnFdIsForgottenBeforeItIsClosed) {
    for (const Fd fd : make_pair()) {
        close(fd);
        EXPECT_EQ(script.forgotten.back(), static_cast<int32_t>(fd));
        EXPECT_TRUE(script.was_open_when_forgotten);
        EXPECT_LT(::fcntl(static_cast<int>(fd), F_GETFD), 0) << "closed";
    }
    EXPECT_EQ(script.forgotten.size(), 2u);
}

// Otherwise it would be made for whoever has the number next.
TEST_F(KqueueScript, ARegistrationThatWaitsToBeHandedOverEndsWithItsFd) {
    const auto [near, far] = make_pair();
    const auto [other_near, other_far] = make_pair();
    const std::unique_ptr<Backend> backend = std::move(*make_kqueue_backend({.disk_workers = 1}));
    Completion receiving, other_receiving, closing;
    receiving.operation = {.kind = OperationKind::recv, .fd = near, .vectors = buffer.vectors()};
    other_receiving.operation = {
        .kind = OperationKind::recv, .fd = other_near, .vectors = buffer.vectors()};
    closing.operation = {.kind = OperationKind::close, .fd = near};
    CompletionList submitted, completed;
    submitted.push_back(receiving);
    submitted.push_back(other_receiving);
    backend->submit(submitted, completed);
    backend->cancel(receiving, completed);
    submitted.push_back(closing);
    backend->submit(submitted, completed);
    script.changes.clear();
    backend->poll(completed, 0);
    ASSERT_EQ(script.changes.size(), 1u);
    EXPECT_EQ(script.changes[0].ident, static_cast<uintptr_t>(other_near));
    backend->cancel(other_receiving, completed);
    while (completed.pop_front() != nullptr) {
    }
    for (const Fd fd : {far, other_near, other_far}) ::close(static_cast<int>(fd));
}

// An address of the loopback that refuses, because nobody listens there any more.
Address refusing_address(Loop& loop) {
    const Fd listener = *loop.listen({.address = *Address::ip("127.0.0.1", 0), .backlog = 1});
    const Address address = *loop.local_address(listener);
    ::close(static_cast<int>(listener));
    return address;
}

// The receive has taken the socket's error. Asked again, the socket would say for ever that it is
// still connecting, and that it has hung up.
TEST_F(KqueueScript, AConnectWhoseErrorWasTakenEndsWithItsHangUp) {
    const Address address = refusing_address(loop);
    const Fd client = *loop.open_socket(AddressFamily::ipv4);
    Outcome<Ok> connecting;
    Outcome<uint32_t> receiving;
    loop.connect(connecting.completion, {.socket = client, .address = &address},
                 connecting.callback());
    recv(receiving, client);
    loop.tick();
    ASSERT_FALSE(connecting.is_done());
    struct kevent readable = *last_change({.fd = client, .filter = EVFILT_READ});
    struct kevent writable = *last_change({.fd = client, .filter = EVFILT_WRITE});
    writable.flags |= EV_EOF;
    script.answers.push_back({readable, writable});
    loop.tick();
    ASSERT_TRUE(receiving.is_done());
    EXPECT_TRUE(receiving.is_error(ErrorCode::connection_refused));
    ASSERT_TRUE(connecting.is_done());
    EXPECT_TRUE(connecting.is_error(ErrorCode::connection_refused));
    close(client);
}

// A backlog that is full lets further connects wait. A hint without a hang-up ends none of them.
TEST_F(KqueueScript, AFalseHintEndsNoConnectThatHangs) {
    const Fd listener = *loop.listen({.address = *Address::ip("127.0.0.1", 0), .backlog = 0});
    const Address address = *loop.local_address(listener);
    std::deque<Fd> clients;
    std::deque<Outcome<Ok>> connects;
    for (int index = 0; index < 8; ++index) {
        clients.push_back(*loop.open_socket(AddressFamily::ipv4));
        Outcome<Ok>& connecting = connects.emplace_back();
        loop.connect(connecting.completion, {.socket = clients.back(), .address = &address},
                     connecting.callback());
    }
    loop.tick();
    ASSERT_FALSE(connects.back().is_done());
    for (int repetition = 0; repetition < 3; ++repetition) {
        const struct kevent hint = *last_change({.fd = clients.back(), .filter = EVFILT_WRITE});
        script.changes.clear();
        script.answers.push_back({hint});
        loop.tick();
        loop.tick();
        EXPECT_FALSE(connects.back().is_done());
        EXPECT_NE(last_change({.fd = clients.back(), .filter = EVFILT_WRITE}), nullptr)
            << "it waits again";
    }
    for (const Fd client : clients) loop.cancel_fd(client);
    while (loop.in_flight_count() > 0) loop.tick();
    for (const Fd client : clients) ::close(static_cast<int>(client));
    ::close(static_cast<int>(listener));
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
