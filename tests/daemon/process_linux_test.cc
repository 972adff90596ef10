// The real blockd where Linux lets a test hold its start back.
#include <gtest/gtest.h>

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

#include "daemon/exit_code.h"
#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

// While it lives, opening the file waits (fcntl(2), "Leases"), up to 45 s as systems are set up.
class Lease {
  public:
    explicit Lease(const std::string& path) {
        signal(SIGIO, SIG_IGN);  // How the kernel tells that somebody waits.
        descriptor_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
        is_taken_ = fcntl(descriptor_, F_SETLEASE, F_WRLCK) == 0;
    }
    ~Lease() {
        close(descriptor_);
        signal(SIGIO, SIG_DFL);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    bool is_taken() const { return is_taken_; }
    bool is_waited_for() const { return fcntl(descriptor_, F_GETLEASE) != F_WRLCK; }

  private:
    int descriptor_ = -1;
    bool is_taken_ = false;
};

TEST(BlockdStart, ASignalEndsItWhileAFileHangs) {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        const support::TemporaryDirectory folder;
        support::write_file(folder.file("disk.img"), support::pattern(4096, 1));
        const Lease lease(folder.file("disk.img"));
        if (!lease.is_taken()) GTEST_SKIP() << "the file system knows no leases";

        support::DaemonProcess process(folder.file("log"));
        process.start(
            {"--socket", folder.file("b.sock"), "--export", "disk", folder.file("disk.img")});
        ASSERT_TRUE(support::eventually([&] { return lease.is_waited_for(); })) << process.log();
        process.signal(signal_number);
        EXPECT_EQ(process.wait_for_exit(), exit_code::clean);
        EXPECT_NE(process.log().find("stopped before it served"), std::string::npos);
    }
}

}  // namespace
}  // namespace blockd::daemon
