#include "blockctl/event_loop.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>

namespace blockd::blockctl {
namespace {

// As a container's seccomp profile does it.
bool deny_io_uring(int error) {
    const std::array<sock_filter, 4> program = {
        sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))),
        sock_filter(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1)),
        sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | unsigned(error))),
        sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)),
    };
    const sock_fprog filter = {.len = program.size(),
                               .filter = const_cast<sock_filter*>(program.data())};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Says the loop's backend on stderr, behind whatever else was said there, and ends.
[[noreturn]] void tell_backend_without_io_uring(int error) {
    if (!deny_io_uring(error)) _exit(2);
    const std::unique_ptr<io::Loop> loop = make_loop(1);
    std::fputs(loop ? loop->backend_name() : "none", stderr);
    _exit(0);
}

TEST(EventLoop, RunsOnWhatBlockdWouldTakeByItself) {
    const Result<io::MadeBackend> best =
        io::make_backend(io::BackendKind::automatic, {.disk_workers = 1});
    ASSERT_TRUE(best);
    EXPECT_STREQ(make_loop(1)->backend_name(), best->backend->name());
}

TEST(EventLoopDeathTest, GoesOnWithKqueueSilentlyWhereIoUringIsDenied) {
    for (const int error : {EPERM, ENOSYS}) {
        EXPECT_EXIT(tell_backend_without_io_uring(error), testing::ExitedWithCode(0), "^kqueue$");
    }
}

TEST(EventLoopDeathTest, ComplainsWhereTheSystemHasNoRoomForOne) {
    EXPECT_EXIT(tell_backend_without_io_uring(EMFILE), testing::ExitedWithCode(0),
                "^blockctl: cannot start: .*\nnone$");
}

}  // namespace
}  // namespace blockd::blockctl
