#include "server/listener.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

using Listener = HeldServerTest;

// The next accept is submitted once the one that waits has accepted a client.
TEST_F(Listener, RestsWhenFilesRunOutAndTakesWhoWaitedLater) {
    WireClient early = attach();
    for (const int32_t failure : {-EMFILE, -ENFILE, -ENOMEM}) {
        backend().fail_next(OperationKind::accept, failure);
        WireClient last = attach();
        const uint32_t accept_count = backend().arrived_count(OperationKind::accept);
        WireClient waiting = attach();
        EXPECT_TRUE(waiting.read(0, 4096).is_ok());
        EXPECT_TRUE(early.read(0, 4096).is_ok()) << "who was there is served meanwhile";
        EXPECT_LE(backend().arrived_count(OperationKind::accept), accept_count + 3)
            << "no busy loop";
    }
}

TEST_F(Listener, ClientThatIsGonePassesUnnoticed) {
    backend().fail_next(OperationKind::accept, -ECONNABORTED);
    WireClient last = attach();
    WireClient next = attach();
    EXPECT_TRUE(next.read(0, 4096).is_ok());
}

}  // namespace
}  // namespace blockd::support
