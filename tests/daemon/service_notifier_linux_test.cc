// Linux' abstract sockets, which other systems lack.
#include "daemon/service_notifier.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include "daemon/notify_receiver.h"

namespace blockd::daemon {
namespace {

TEST(ServiceNotifier, SendsItsStateToAnAbstractName) {
    NotifyReceiver receiver("@blockd-notify-test-" + std::to_string(getpid()));
    EXPECT_TRUE(ServiceNotifier(receiver.name()).send("READY=1"));
    EXPECT_EQ(receiver.receive(), "READY=1");
}

}  // namespace
}  // namespace blockd::daemon
