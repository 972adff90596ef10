#include "daemon/service_notifier.h"

#include <gtest/gtest.h>

#include "daemon/notify_receiver.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

TEST(ServiceNotifier, SendsItsStateToAPath) {
    const support::TemporaryDirectory folder;
    NotifyReceiver receiver(folder.file("notify"));
    EXPECT_TRUE(ServiceNotifier(receiver.name()).send("READY=1\nSTATUS=x"));
    EXPECT_EQ(receiver.receive(), "READY=1\nSTATUS=x");
}

TEST(ServiceNotifier, WithoutASocketNobodyIsTold) {
    EXPECT_TRUE(ServiceNotifier("").send("READY=1"));
}

TEST(ServiceNotifier, SaysThatNobodyListens) {
    const support::TemporaryDirectory folder;
    const Result<Ok> sent = ServiceNotifier(folder.file("nobody")).send("READY=1");
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().os_errno, ENOENT);
}

TEST(ServiceNotifier, RefusesNamesThatAreNoSocket) {
    const Result<Ok> relative = ServiceNotifier("vsock:2:1234").send("READY=1");
    ASSERT_FALSE(relative);
    EXPECT_EQ(relative.error().code, ErrorCode::not_supported);
    const Result<Ok> lengthy = ServiceNotifier("/" + std::string(200, 'x')).send("READY=1");
    ASSERT_FALSE(lengthy);
    EXPECT_EQ(lengthy.error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace blockd::daemon
