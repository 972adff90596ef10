// What the kqueue backend makes of its kernel's answers.
#include "io/backend_kqueue.h"

#include "io/loop_conformance.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <deque>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {
namespace {

TEST(KqueueBackend, NamesItselfAndItsDepth) {
    const auto backend = make_kqueue_backend({.disk_workers = 3});
    ASSERT_TRUE(backend);
    EXPECT_STREQ((*backend)->name(), "kqueue");
    EXPECT_EQ((*backend)->disk_depth(), 3u);
    const uint64_t earlier_ns = (*backend)->now_ns();
    EXPECT_LE(earlier_ns, (*backend)->now_ns());
}

// A registration that fails comes back as an event with the EV_ERROR bit: it ends the operation
// with its errno, instead of looking like readiness and being tried again for ever.
TEST(KqueueBackend, AFailedRegistrationEndsItsOperation) {
    Loop loop(std::move(*make_kqueue_backend({})));
    const int closed_fd = ::dup(0);
    ::close(closed_fd);
    const Buffer buffer(8);
    Outcome<uint32_t> receiving;
    loop.recv(receiving.completion,
              {.socket = static_cast<Fd>(closed_fd), .vectors = buffer.vectors()},
              receiving.callback());
    loop.tick();
    ASSERT_TRUE(receiving.is_done());
    EXPECT_EQ(receiving.error().os_errno, EBADF);
}

TEST(KqueueBackend, AFailedRegistrationHarmsNobodyElse) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    ASSERT_EQ(::write(pair[1], "x", 1), 1);
    Loop loop(std::move(*make_kqueue_backend({})));
    const Buffer buffer(8);
    const Fd bad = static_cast<Fd>(pair[1] + 100);  // Nobody opened as many files.
    Outcome<uint32_t> failing, receiving;
    loop.recv(failing.completion, {.socket = bad, .vectors = buffer.vectors()}, failing.callback());
    loop.recv(receiving.completion,
              {.socket = static_cast<Fd>(pair[0]), .vectors = buffer.vectors()},
              receiving.callback());
    while (loop.in_flight_count() > 0) loop.run_for_ns(millisecond_ns);
    EXPECT_EQ(failing.error().os_errno, EBADF);
    EXPECT_EQ(receiving.value(), 1u);
    for (const int fd : pair) ::close(fd);
}

// More sockets begin to wait in one turn than one change list holds.
TEST(KqueueBackend, AFullChangeListIsHandedOverInPieces) {
    constexpr size_t count = 1'000;
    Loop loop(std::move(*make_kqueue_backend({})));
    std::deque<std::array<int, 2>> pairs;
    std::deque<Outcome<uint32_t>> receives;
    const Buffer buffer(8);
    for (size_t index = 0; index < count; ++index) {
        std::array<int, 2>& pair = pairs.emplace_back();
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) {
            pairs.pop_back();
            break;
        }
        Outcome<uint32_t>& receive = receives.emplace_back();
        loop.recv(receive.completion,
                  {.socket = static_cast<Fd>(pair[0]), .vectors = buffer.vectors()},
                  receive.callback());
    }
    ASSERT_GT(pairs.size(), 300u) << "more than one list holds";
    for (const std::array<int, 2>& pair : pairs) ASSERT_EQ(::write(pair[1], "x", 1), 1);
    const uint64_t deadline_ns = loop.now_ns() + 10 * second_ns;
    while (loop.in_flight_count() > 0 && loop.now_ns() < deadline_ns) {
        loop.run_for_ns(millisecond_ns);
    }
    for (Outcome<uint32_t>& receive : receives) EXPECT_EQ(receive.call_count(), 1u);
    for (const std::array<int, 2>& pair : pairs) {
        for (const int fd : pair) ::close(fd);
    }
}

// EV_EOF is no error: what was sent before it is received.
TEST(KqueueBackend, DataBeforeTheEndOfTheStreamIsReceived) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    ASSERT_EQ(::write(pair[1], "data", 4), 4);
    ::close(pair[1]);
    Loop loop(std::move(*make_kqueue_backend({})));
    const Buffer buffer(4);
    Outcome<uint32_t> data, end;
    const Fd socket = static_cast<Fd>(pair[0]);
    loop.recv(data.completion, {.socket = socket, .vectors = buffer.vectors()}, data.callback());
    while (!data.is_done()) loop.run_for_ns(millisecond_ns);
    EXPECT_EQ(buffer.text(data.value()), "data");
    loop.recv(end.completion, {.socket = socket, .vectors = buffer.vectors()}, end.callback());
    while (!end.is_done()) loop.run_for_ns(millisecond_ns);
    EXPECT_EQ(end.value(), 0u);
    ::close(pair[0]);
}

}  // namespace
}  // namespace blockd::io
