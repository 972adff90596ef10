// How many calls the kqueue backend makes of its kernel, counted by the emulation.
#include "io/backend_kqueue.h"
#include "io/kernel_queue.h"
#include "io/loop_conformance.h"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include <kqueue_emulation/hooks.h>

namespace blockd::io {
namespace {

kqueue_emulation::Statistics statistics_of(int32_t queue) {
    kqueue_emulation::Statistics statistics{};
    EXPECT_EQ(::kqueue_statistics(queue, &statistics), 0);
    return statistics;
}

// Rule 6: one kevent() both hands over the changes and waits. And the doorbell is not rung for a
// loop that is awake.
TEST(KqueueBackendOnLinux, ATurnIsOneCallHoweverMuchBeginsToWait) {
    const int32_t number = open_kernel_queue();
    ASSERT_GE(number, 0);
    auto backend =
        std::make_unique<KqueueBackend>(std::make_unique<KernelQueue>(number), BackendOptions{});
    Loop loop(std::move(backend));
    std::array<std::array<int, 2>, 3> pairs{};
    std::array<Outcome<uint32_t>, 3> receives;
    const Buffer buffer(8);
    for (size_t index = 0; index < pairs.size(); ++index) {
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[index].data()), 0);
        const Fd socket = static_cast<Fd>(pairs[index][0]);
        loop.recv(receives[index].completion, {.socket = socket, .vectors = buffer.vectors()},
                  receives[index].callback());
    }
    Event event;
    loop.open_event(event);
    loop.event_trigger(event);
    const uint64_t before = statistics_of(number).epoll_wait_calls;
    loop.tick();
    EXPECT_EQ(statistics_of(number).epoll_wait_calls - before, 1u);
    for (const std::array<int, 2>& pair : pairs) ASSERT_EQ(::write(pair[1], "x", 1), 1);
    loop.tick();
    EXPECT_EQ(statistics_of(number).epoll_wait_calls - before, 2u);
    EXPECT_EQ(statistics_of(number).doorbell_writes, 0u);
    for (Outcome<uint32_t>& receive : receives) EXPECT_EQ(receive.value(), 1u);
    loop.close_event(event);
    for (const std::array<int, 2>& pair : pairs) {
        for (const int fd : pair) ::close(fd);
    }
}

// The receive itself would say ENOTSOCK: EPERM is what the registration said. On macOS, where the
// flags of the change stay beside EV_ERROR, a comparison with == would miss it, and here too.
TEST(KqueueBackendOnLinux, AFailedRegistrationEndsItsOperationWithItsOwnErrno) {
    Loop loop(std::move(*make_kqueue_backend({})));
    const int file = ::memfd_create("file", MFD_CLOEXEC);
    ASSERT_GE(file, 0);
    const Buffer buffer(8);
    Outcome<uint32_t> receiving;
    loop.recv(receiving.completion, {.socket = static_cast<Fd>(file), .vectors = buffer.vectors()},
              receiving.callback());
    loop.tick();
    ASSERT_TRUE(receiving.is_done());
    EXPECT_EQ(receiving.error().os_errno, EPERM);
    ::close(file);
}

}  // namespace
}  // namespace blockd::io
