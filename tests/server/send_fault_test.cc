// What clients see when the system does not send their replies.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

using SendFault = HeldServerTest;

// Not every error means that nobody is there: without memory a send fails, and the client waits.
TEST_F(SendFault, AClientThatCannotBeAnsweredIsToldByTheEndOfTheStream) {
    WireClient client = attach();
    EXPECT_TRUE(client.read(0, 4096).is_ok());
    backend().fail_next(OperationKind::send, -ENOBUFS);
    client.send_request({.command = wire::cmd_flush});
    client.send_request({.command = wire::cmd_write, .offset = 8192, .size = 4096},
                        pattern(4096, 1));
    client.set_timeout_ms(5000);
    EXPECT_TRUE(client.ends()) << "it waits for a reply that never comes";
    client.close();

    WireClient other = attach();
    EXPECT_TRUE(eventually([&] { return other.read(8192, 4096).data == pattern(4096, 1); }))
        << "what was sent whole is done";
}

class SendFaultInAHurry : public HeldServerTest {
  protected:
    SendFaultInAHurry() { limits.transfer_timeout_ns = 200'000'000; }
};

TEST_F(SendFaultInAHurry, AClientThatDoesNotHangUpIsCutOff) {
    WireClient client = attach();
    backend().fail_next(OperationKind::send, -ENOBUFS);
    client.send_request({.command = wire::cmd_flush});
    client.set_timeout_ms(10'000);
    EXPECT_TRUE(client.ends());
    // It goes on talking instead; a server that is gone answers that with a reset.
    EXPECT_TRUE(eventually([&] { return !client.try_send(std::string(1, '\0')); }))
        << "it holds its place for ever";
}

}  // namespace
}  // namespace blockd::support
