// Which IO backend the real daemon takes where io_uring is denied: by a container's profile, an old
// kernel, or a system that is out of resources.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "crash/injection.h"
#include "support/daemon_test.h"

namespace blockd::crash {
namespace {

using namespace support;
using testing::HasSubstr;
using testing::Not;

class BackendChoice : public DaemonTest {
  protected:
    void SetUp() override {
        const std::string reason = reason_not_to_inject();
        if (!reason.empty()) GTEST_SKIP() << reason;
    }
    void TearDown() override {
        if (daemon.is_running()) DaemonTest::TearDown();
    }

    std::string trace() const { return directory.file("trace"); }

    void deny(const std::string& call, const std::string& error) {
        daemon.set_launcher(injecting_launcher({.call = call, .error = error, .when = 1}, trace()));
    }

    void expect_service_on_kqueue() {
        start();
        EXPECT_THAT(daemon.log(), HasSubstr("slower IO backend"));
        EXPECT_THAT(daemon.log(), HasSubstr("loop started backend=kqueue"));
        expect_service();
    }

    // It ends by itself, and says why.
    void expect_refusal(const std::string& reason) {
        write_file(directory.file("blockd.json"), config.json());
        daemon.start({"--config", directory.file("blockd.json")});
        EXPECT_EQ(daemon.wait_for_exit(), 1) << daemon.log();
        EXPECT_THAT(daemon.log(), HasSubstr("cannot start"));
        EXPECT_THAT(daemon.log(), HasSubstr(reason));
    }
};

TEST_F(BackendChoice, WhatIsDeniedOrNotThereIsPassedOver) {
    config.backend = "auto";
    for (const char* const error : {"ENOSYS", "EPERM", "EACCES", "EINVAL"}) {
        SCOPED_TRACE(error);
        deny("io_uring_setup", error);
        expect_service_on_kqueue();
        EXPECT_EQ(daemon.terminate(), 0);
        EXPECT_EQ(injected_count(trace()), 1u);
    }
}

TEST_F(BackendChoice, ARingThatMayBeMadeAndNotUsedIsPassedOver) {
    config.backend = "auto";
    for (const char* const call : {"io_uring_enter", "io_uring_register"}) {
        SCOPED_TRACE(call);
        deny(call, "EPERM");
        expect_service_on_kqueue();
        EXPECT_EQ(daemon.terminate(), 0);
    }
}

// A signal in the wrong moment is no denial.
TEST_F(BackendChoice, AnInterruptedProbeGoesOn) {
    config.backend = "auto";
    start();
    if (daemon.log().find("slower IO backend") != std::string::npos) {
        GTEST_SKIP() << "io_uring is denied here";
    }
    deny("io_uring_enter", "EINTR");
    start();
    expect_service();
    EXPECT_THAT(daemon.log(), Not(HasSubstr("slower IO backend")));
    EXPECT_EQ(daemon.terminate(), 0);
    EXPECT_EQ(injected_count(trace()), 1u);
}

TEST_F(BackendChoice, AnExplicitChoiceIsStrict) {
    config.backend = "io_uring";
    deny("io_uring_setup", "EPERM");
    expect_refusal("use io_uring: permission denied");
}

// To be content with less would hide that the system is out of memory, or of files.
TEST_F(BackendChoice, WhatTheSystemHasNoRoomForIsNotPassedOver) {
    config.backend = "auto";
    deny("io_uring_setup", "ENOMEM");
    expect_refusal("use io_uring: no memory is left");
    deny("io_uring_setup", "EMFILE");
    expect_refusal("use io_uring: too many files are open");
}

TEST_F(BackendChoice, KqueueIsTakenWhereItIsChosen) {
    config.backend = "kqueue";
    start();
    EXPECT_THAT(daemon.log(), HasSubstr("loop started backend=kqueue"));
    EXPECT_THAT(daemon.log(), Not(HasSubstr("slower IO backend")));
    expect_service();
}

}  // namespace
}  // namespace blockd::crash
