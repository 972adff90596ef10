// Sockets: how a connect ends, and how it does not.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <vector>

namespace blockd::io {
namespace {

class LoopConnects : public LoopConformance {
  protected:
    void connect(Outcome<Ok>& outcome, Fd socket, const Address& address) {
        loop.connect(outcome.completion, {.socket = socket, .address = &address},
                     outcome.callback());
    }
    // Where nobody listens any more.
    Address refusing_address() {
        const Fd listener = listen_on_loopback();
        const Address address = address_of(listener);
        close(listener);
        return address;
    }
};
INSTANTIATE_TEST_SUITE_P(Backends, LoopConnects, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopConnects, ConnectingToNobodyIsRefused) {
    const Address address = refusing_address();
    const Fd client = open_tcp_socket();
    Outcome<Ok> connecting;
    connect(connecting, client, address);
    ASSERT_TRUE(run_until_done(connecting));
    EXPECT_TRUE(connecting.is_error(ErrorCode::connection_refused));
    close(client);
}

// Whichever of the two looks first takes the socket's error, and leaves none for the other.
TEST_P(LoopConnects, AReceiveBesideARefusedConnectLetsBothEnd) {
    const Address address = refusing_address();
    const Fd client = open_tcp_socket();
    const Buffer buffer(8);
    Outcome<Ok> connecting;
    Outcome<uint32_t> receiving;
    connect(connecting, client, address);
    loop.recv(receiving.completion, {.socket = client, .vectors = buffer.vectors()},
              receiving.callback());
    ASSERT_TRUE(run_until_done(connecting, receiving));
    EXPECT_TRUE(connecting.is_error(ErrorCode::connection_refused));
    close(client);
}

TEST_P(LoopConnects, ConnectingToAnAbsentPathIsNotFound) {
    support::TemporaryDirectory directory;
    const Address address = *Address::unix_path(directory.file("absent"));
    const Fd client = *loop.open_socket(AddressFamily::unix_path);
    Outcome<Ok> connecting;
    connect(connecting, client, address);
    ASSERT_TRUE(run_until_done(connecting));
    EXPECT_TRUE(connecting.is_error(ErrorCode::not_found));
    close(client);
}

// A backlog that is full lets further connects wait; a timeout cancels one.
class GivingUp {
  public:
    GivingUp(Loop& loop, Completion& connecting) : loop_(loop), connecting_(connecting) {}
    void start() {
        loop_.timeout(completion_, {.after_ns = millisecond_ns}, bind<&GivingUp::fired>(this));
    }

  private:
    void fired(Result<Ok>) { loop_.cancel(connecting_); }
    Loop& loop_;
    Completion& connecting_;
    Completion completion_;
};

TEST_P(LoopConnects, AConnectThatHangsIsEndedByATimeout) {
    const Fd listener = listen_on_loopback(0);
    const Address address = address_of(listener);
    std::vector<Fd> sockets;
    bool has_hung = false;
    for (int attempt = 0; attempt < 16 && !has_hung; ++attempt) {
        const Fd client = open_tcp_socket();
        sockets.push_back(client);
        Outcome<Ok> connecting;
        GivingUp giving_up(loop, connecting.completion);
        connect(connecting, client, address);
        giving_up.start();
        ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
        has_hung = connecting.is_error(ErrorCode::canceled);
        EXPECT_TRUE(has_hung || connecting.has_value());
    }
    EXPECT_TRUE(has_hung);
    for (const Fd socket : sockets) close(socket);
    close(listener);
}

}  // namespace
}  // namespace blockd::io
