// Sockets: connecting, accepting, moving bytes, and how a connection ends.
#include "io/loop_conformance.h"

#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {
namespace {

using LoopSockets = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopSockets, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopSockets, AcceptConnectSendAndReceiveWorkInOneTurn) {
    const auto [client, server] = make_tcp_pair();
    const Buffer sent("0123456789");
    Buffer received(5);
    Outcome<uint32_t> send;
    Outcome<uint32_t> recv;
    loop.recv(recv.completion, {.socket = server, .vectors = received.vectors()}, recv.callback());
    loop.send(send.completion, {.socket = client, .vectors = sent.vectors()}, send.callback());
    ASSERT_TRUE(run_until_done(send, recv));
    EXPECT_EQ(send.value(), 10u);
    EXPECT_EQ(recv.value(), 5u);
    EXPECT_EQ(received.text(5), "01234");
    close(client);
    close(server);
}

TEST_P(LoopSockets, EndOfStreamIsAReceiveOfZeroBytes) {
    const auto [near, far] = make_socket_pair();
    write_all(far, "last");
    close(far);
    for (const std::string& expected : {std::string("last"), std::string()}) {
        Buffer received(16);
        Outcome<uint32_t> recv;
        loop.recv(recv.completion, {.socket = near, .vectors = received.vectors()},
                  recv.callback());
        ASSERT_TRUE(run_until_done(recv));
        ASSERT_TRUE(recv.has_value());
        EXPECT_EQ(received.text(recv.value()), expected);
    }
    close(near);
}

}  // namespace
}  // namespace blockd::io
