// Who leaves when there are more clients than the limit allows.
#include <gtest/gtest.h>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

class FullHouse : public HeldServerTest {
  protected:
    FullHouse() { limits.connections = 1; }
};

TEST_F(FullHouse, ClientThatNegotiatesMakesRoom) {
    WireClient first = connect();
    first.greet();
    WireClient second = attach();
    EXPECT_TRUE(first.ends());
    EXPECT_TRUE(second.read(0, 512).is_ok());
}

// It was granted the export, and may have sent requests already: it is attached.
TEST_F(FullHouse, ClientWhoseGrantIsOnItsWayStays) {
    WireClient first = connect();
    first.greet();
    EXPECT_EQ(first.ask_type(wire::opt_structured_reply), wire::rep_ack);
    backend().hold(OperationKind::send);
    first.send_option(wire::opt_go, info_data("disk"));
    EXPECT_TRUE(holds(OperationKind::send, 1));
    WireClient second = connect();
    EXPECT_TRUE(second.ends()) << "it is the one that is refused";
    backend().release(OperationKind::send);
    EXPECT_EQ(first.receive_option_answers(wire::opt_go).back().type, wire::rep_ack);
    EXPECT_TRUE(first.read(0, 512).is_ok());
}

}  // namespace
}  // namespace blockd::support
