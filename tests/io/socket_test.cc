#include "io/socket.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace blockd::io {
namespace {

TEST(Socket, AFailedSendIsTriedAgainOrEndsTheConnectionAsItsErrnoMeans) {
    EXPECT_EQ(transmit_failure(ENOBUFS), -EAGAIN) << "waits for room";
    EXPECT_EQ(transmit_failure(EPROTOTYPE), -ECONNRESET);
    EXPECT_EQ(transmit_failure(EAGAIN), -EAGAIN);
    EXPECT_EQ(transmit_failure(EPIPE), -EPIPE);
}

}  // namespace
}  // namespace blockd::io
