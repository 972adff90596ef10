// Sockets: accepting, moving bytes, and how a connection ends.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <deque>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {
namespace {

class LoopSockets : public LoopConformance {
  protected:
    void recv(Outcome<uint32_t>& outcome, Fd socket, const Buffer& buffer) {
        loop.recv(outcome.completion, {.socket = socket, .vectors = buffer.vectors()},
                  outcome.callback());
    }
    void send(Outcome<uint32_t>& outcome, Fd socket, const Buffer& buffer) {
        loop.send(outcome.completion, {.socket = socket, .vectors = buffer.vectors()},
                  outcome.callback());
    }
    void accept(Outcome<Fd>& outcome, Fd listener) {
        loop.accept(outcome.completion, {.listener = listener}, outcome.callback());
    }
    void connect(Outcome<Ok>& outcome, Fd socket, const Address& address) {
        loop.connect(outcome.completion, {.socket = socket, .address = &address},
                     outcome.callback());
    }
};
INSTANTIATE_TEST_SUITE_P(Backends, LoopSockets, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

int option(Fd socket, int level, int name) {
    int value = 0;
    socklen_t size = sizeof(value);
    EXPECT_EQ(::getsockopt(static_cast<int>(socket), level, name, &value, &size), 0);
    return value;
}

// Closing resets the connection instead of ending it.
void reset_on_close(Fd socket) {
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(
        ::setsockopt(static_cast<int>(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
        0);
}

TEST_P(LoopSockets, AReceiveMayGetAPartOfWhatWasSent) {
    const auto [client, server] = make_tcp_pair();
    const Buffer sent("0123456789");
    const Buffer first(5);
    const Buffer second(16);
    Outcome<uint32_t> sending, receiving, receiving_rest;
    recv(receiving, server, first);
    send(sending, client, sent);
    ASSERT_TRUE(run_until_done(sending, receiving));
    EXPECT_EQ(sending.value(), 10u);
    EXPECT_EQ(receiving.value(), 5u);
    EXPECT_EQ(first.text(5), "01234");
    recv(receiving_rest, server, second);
    ASSERT_TRUE(run_until_done(receiving_rest));
    EXPECT_EQ(second.text(receiving_rest.value()), "56789");
    close(client);
    close(server);
}

TEST_P(LoopSockets, VectorsScatterAndGather) {
    const auto [near, far] = make_socket_pair();
    std::string left = "abc", right = "defg";
    const std::array<IoVector, 2> gathered = {IoVector{left.data(), 3}, IoVector{right.data(), 4}};
    std::string head(2, '-'), tail(10, '-');
    const std::array<IoVector, 2> scattered = {IoVector{head.data(), 2}, IoVector{tail.data(), 10}};
    Outcome<uint32_t> sending, receiving;
    loop.send(sending.completion, {.socket = near, .vectors = gathered}, sending.callback());
    loop.recv(receiving.completion, {.socket = far, .vectors = scattered}, receiving.callback());
    ASSERT_TRUE(run_until_done(sending, receiving));
    EXPECT_EQ(receiving.value(), 7u);
    EXPECT_EQ(head, "ab");
    EXPECT_EQ(tail, "cdefg-----");
    close(near);
    close(far);
}

TEST_P(LoopSockets, AsManyVectorsAsAreAllowedScatterAndGather) {
    constexpr size_t count = Loop::vectors_max;
    const auto [near, far] = make_socket_pair();
    std::string sent = support::pattern(count * 7, 3);
    std::string received(sent.size(), '-');
    std::array<IoVector, count> gathered{}, scattered{};
    for (size_t index = 0; index < count; ++index) {
        gathered[index] = {sent.data() + index * 7, 7};
        scattered[index] = {received.data() + index * 7, 7};
    }
    Outcome<uint32_t> sending, receiving;
    loop.send(sending.completion, {.socket = near, .vectors = gathered}, sending.callback());
    loop.recv(receiving.completion, {.socket = far, .vectors = scattered}, receiving.callback());
    ASSERT_TRUE(run_until_done(sending, receiving));
    EXPECT_EQ(receiving.value(), sent.size());
    EXPECT_EQ(received, sent);
    close(near);
    close(far);
}

// Moves all bytes of a string in one direction, some at a time.
class Transfer {
  public:
    Transfer(Loop& loop, Fd socket, OperationKind kind, std::string bytes)
        : loop_(loop), socket_(socket), kind_(kind), bytes_(std::move(bytes)) {
        go_on();
    }
    const std::string& bytes() const { return bytes_; }

  private:
    void go_on() {
        vector_ = {bytes_.data() + moved_, std::min<size_t>(bytes_.size() - moved_, 65'521)};
        const std::span<const IoVector> vectors(&vector_, 1);
        if (kind_ == OperationKind::send) {
            loop_.send(completion_, {.socket = socket_, .vectors = vectors},
                       bind<&Transfer::moved>(this));
        } else {
            loop_.recv(completion_, {.socket = socket_, .vectors = vectors},
                       bind<&Transfer::moved>(this));
        }
    }
    void moved(Result<uint32_t> result) {
        ASSERT_TRUE(result);
        ASSERT_GT(*result, 0u);
        moved_ += *result;
        if (moved_ < bytes_.size()) go_on();
    }

    Loop& loop_;
    Fd socket_;
    OperationKind kind_;
    std::string bytes_;
    size_t moved_ = 0;
    IoVector vector_{};
    Completion completion_;
};

TEST_P(LoopSockets, AMebibyteArrivesThroughPartialTransfersInBothDirections) {
    constexpr size_t size = 1 << 20;
    const auto [client, server] = make_tcp_pair();
    const std::string up = support::pattern(size, 1);
    const std::string down = support::pattern(size, 2);
    Transfer sending_up(loop, client, OperationKind::send, up);
    Transfer sending_down(loop, server, OperationKind::send, down);
    Transfer receiving_up(loop, server, OperationKind::recv, std::string(size, '\0'));
    Transfer receiving_down(loop, client, OperationKind::recv, std::string(size, '\0'));
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    EXPECT_EQ(receiving_up.bytes(), up);
    EXPECT_EQ(receiving_down.bytes(), down);
    close(client);
    close(server);
}

TEST_P(LoopSockets, EndOfStreamIsAReceiveOfZeroBytesAfterAllData) {
    const auto [near, far] = make_socket_pair();
    write_all(far, "last");
    close(far);
    for (const std::string& expected : {std::string("last"), std::string()}) {
        const Buffer received(16);
        Outcome<uint32_t> receiving;
        recv(receiving, near, received);
        ASSERT_TRUE(run_until_done(receiving));
        ASSERT_TRUE(receiving.has_value());
        EXPECT_EQ(received.text(receiving.value()), expected);
    }
    close(near);
}

TEST_P(LoopSockets, HalfOfAConnectionCanBeShutDown) {
    const auto [client, server] = make_tcp_pair();
    loop.shutdown(client, ShutdownKind::send);
    const Buffer nothing(8), answer("still here"), answered(16);
    Outcome<uint32_t> end, sending, receiving;
    recv(end, server, nothing);
    ASSERT_TRUE(run_until_done(end));
    EXPECT_EQ(end.value(), 0u);
    send(sending, server, answer);
    recv(receiving, client, answered);
    ASSERT_TRUE(run_until_done(sending, receiving));
    EXPECT_EQ(answered.text(receiving.value()), "still here");
    close(client);
    close(server);
}

// Linux hands out what was received before the reset, macOS may drop it; then both report it.
TEST_P(LoopSockets, AResetIsReportedAlsoWithDataPending) {
    const auto [client, server] = make_tcp_pair();
    const Buffer sent("data");
    Outcome<uint32_t> sending;
    send(sending, client, sent);
    ASSERT_TRUE(run_until_done(sending));
    reset_on_close(client);
    close(client);
    std::string text;
    for (int attempt = 0; attempt < 3; ++attempt) {
        const Buffer received(16);
        Outcome<uint32_t> receiving;
        recv(receiving, server, received);
        ASSERT_TRUE(run_until_done(receiving));
        if (!receiving.has_value()) {
            EXPECT_TRUE(receiving.is_error(ErrorCode::connection_reset));
            break;
        }
        ASSERT_GT(receiving.value(), 0u) << "a reset is not an end of stream";
        text += received.text(receiving.value());
    }
    EXPECT_TRUE(text == "data" || text.empty());
    close(server);
}

TEST_P(LoopSockets, AResetEndsAPendingReceive) {
    const auto [client, server] = make_tcp_pair();
    const Buffer received(16);
    Outcome<uint32_t> receiving;
    recv(receiving, server, received);
    loop.tick();
    EXPECT_FALSE(receiving.is_done());
    reset_on_close(client);
    close(client);
    ASSERT_TRUE(run_until_done(receiving));
    EXPECT_TRUE(receiving.is_error(ErrorCode::connection_reset));
    close(server);
}

// SIGPIPE would end this program.
TEST_P(LoopSockets, SendingToAPeerThatIsGoneIsAnErrorAndNoSignal) {
    support::TemporaryDirectory directory;
    const Address address = *Address::unix_path(directory.file("socket"));
    const Fd listener = *loop.listen({.address = address});
    const Fd client = *loop.open_socket(AddressFamily::unix_path);
    Outcome<Fd> accepting;
    Outcome<Ok> connecting;
    accept(accepting, listener);
    connect(connecting, client, address);
    ASSERT_TRUE(run_until_done(accepting, connecting));
    close(client);
    const Buffer sent("data");
    Outcome<uint32_t> sending;
    send(sending, accepting.value(), sent);
    ASSERT_TRUE(run_until_done(sending));
    EXPECT_TRUE(sending.is_error(ErrorCode::connection_reset));
    close(accepting.value());
    close(listener);
}

TEST_P(LoopSockets, AFullSocketDelaysASendUntilThereIsRoom) {
    const auto [near, far] = make_socket_pair();
    const Buffer block(1 << 16, std::byte{7});
    uint64_t sent = 0;
    Outcome<uint32_t> waiting;
    while (true) {
        Outcome<uint32_t> sending;
        send(sending, near, block);
        loop.tick();
        if (sending.is_done()) {
            sent += sending.value();
            continue;
        }
        uint64_t received = 0;
        const auto drain = [&, peer = far] {
            received += read_available(peer, 1 << 16).size();
            return sending.is_done();
        };
        ASSERT_TRUE(run_until(drain));
        EXPECT_GT(sending.value(), 0u);
        EXPECT_GT(received, 0u);
        break;
    }
    EXPECT_GT(sent, 0u);
    close(near);
    close(far);
}

TEST_P(LoopSockets, DataFromOutsideTheLoopIsFoundByTicksAlone) {
    const auto [near, far] = make_socket_pair();
    const Buffer received(8);
    Outcome<uint32_t> receiving;
    recv(receiving, near, received);
    for (int turn = 0; turn < 3; ++turn) loop.tick();
    EXPECT_FALSE(receiving.is_done());
    write_all(far, "late");
    // One is enough, unless a signal comes.
    for (int turn = 0; turn < 100 && !receiving.is_done(); ++turn) loop.tick();
    ASSERT_TRUE(receiving.is_done());
    EXPECT_EQ(received.text(receiving.value()), "late");
    close(near);
    close(far);
}

TEST_P(LoopSockets, AnAcceptedSocketIsReadyForTheLoop) {
    const auto [client, server] = make_tcp_pair();
    for (const Fd socket : {client, server}) {
        EXPECT_NE(::fcntl(static_cast<int>(socket), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(static_cast<int>(socket), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_NE(option(socket, IPPROTO_TCP, TCP_NODELAY), 0);
    }
    EXPECT_EQ(loop.peer_address(client)->text(), loop.local_address(server)->text());
    EXPECT_EQ(loop.local_address(client)->text(), loop.peer_address(server)->text());
    close(client);
    close(server);
}

TEST_P(LoopSockets, EveryConnectionThatWaitsIsAccepted) {
    constexpr size_t count = 40;
    const Fd listener = listen_on_loopback();
    const Address address = address_of(listener);
    std::vector<Fd> sockets;
    for (size_t index = 0; index < count; ++index) {
        sockets.push_back(open_tcp_socket());
        Outcome<Ok> connecting;
        connect(connecting, sockets.back(), address);
        ASSERT_TRUE(run_until_done(connecting));
    }
    for (size_t index = 0; index < count; ++index) {
        Outcome<Fd> accepting;
        accept(accepting, listener);
        ASSERT_TRUE(run_until_done(accepting));
        ASSERT_TRUE(accepting.has_value());
        sockets.push_back(accepting.value());
    }
    Outcome<Fd> none;
    accept(none, listener);
    loop.tick();
    EXPECT_FALSE(none.is_done());
    loop.cancel_fd(listener);
    ASSERT_TRUE(run_until_done(none));
    for (const Fd socket : sockets) close(socket);
    close(listener);
}

// Out of descriptors: accept says so, the others go on, and once there is room it goes on too.
TEST_P(LoopSockets, AcceptingWithoutDescriptorsFailsAndCanBeResumed) {
    const Fd listener = listen_on_loopback();
    const Address address = address_of(listener);
    const auto [near, far] = make_socket_pair();
    const Fd client = open_tcp_socket();
    Outcome<Ok> connecting;
    Outcome<Fd> refused;
    Outcome<uint32_t> receiving;
    const Buffer received(8);
    connect(connecting, client, address);
    accept(refused, listener);
    recv(receiving, near, received);
    write_all(far, "on");
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next_fd = ::dup(0);
    ::close(next_fd);
    rlimit none_left = before;
    none_left.rlim_cur = static_cast<rlim_t>(next_fd);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
    EXPECT_TRUE(run_until_done(connecting, refused, receiving));
    EXPECT_TRUE(refused.is_error(ErrorCode::too_many_files));
    EXPECT_EQ(received.text(receiving.value()), "on");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    // macOS drops the connection that could not be accepted, Linux keeps it.
    const Fd second_client = open_tcp_socket();
    Outcome<Ok> connecting_again;
    Outcome<Fd> accepted;
    connect(connecting_again, second_client, address);
    accept(accepted, listener);
    ASSERT_TRUE(run_until_done(connecting_again, accepted));
    EXPECT_TRUE(accepted.has_value());
    for (const Fd fd : {near, far, client, second_client, accepted.value(), listener}) close(fd);
}

// In as few turns as the backend can, which may be one: a receive begins to wait, is cancelled, its
// descriptor is closed, and the number is given to another socket that receives too.
class QuickReuse {
  public:
    QuickReuse(Loop& loop, std::array<Fd, 2> old_pair, std::array<Fd, 2> (*make_pair)())
        : loop_(loop), old_(old_pair), make_pair_(make_pair) {}

    void start() { loop_.next_tick(tick_, bind<&QuickReuse::ticked>(this)); }
    bool is_reused() const { return is_reused_; }
    std::array<Fd, 2> old_pair() const { return old_; }
    std::array<Fd, 2> new_pair() const { return new_; }
    Outcome<uint32_t>& receiving() { return receiving_; }
    const Buffer& received() const { return buffer_; }

  private:
    void ticked(Result<Ok>) {
        loop_.recv(old_receive_, {.socket = old_[0], .vectors = buffer_.vectors()},
                   bind<&QuickReuse::old_receive_done>(this));
        // It is sent at once, so that its callback runs before the kernel is asked again.
        loop_.send(send_, {.socket = old_[1], .vectors = sent_.vectors()},
                   bind<&QuickReuse::sent>(this));
    }
    void sent(Result<uint32_t>) { loop_.cancel_fd(old_[0]); }
    void old_receive_done(Result<uint32_t> result) {
        EXPECT_TRUE(!result || *result == 3) << "what was sent, or nothing";
        loop_.close(close_, {.fd = old_[0]}, bind<&QuickReuse::closed>(this));
    }
    void closed(Result<Ok>) {
        new_ = make_pair_();
        is_reused_ = true;
        loop_.recv(receiving_.completion, {.socket = new_[0], .vectors = buffer_.vectors()},
                   receiving_.callback());
    }

    Loop& loop_;
    std::array<Fd, 2> old_;
    std::array<Fd, 2> new_{};
    std::array<Fd, 2> (*make_pair_)();
    Buffer buffer_{8};
    Buffer sent_{std::string("old")};
    bool is_reused_ = false;
    Completion tick_, old_receive_, send_, close_;
    Outcome<uint32_t> receiving_;
};

TEST_P(LoopSockets, ADescriptorThatIsReusedAtOnceMeetsNothingOfItsPast) {
    QuickReuse reuse(loop, make_socket_pair(), make_socket_pair);
    reuse.start();
    ASSERT_TRUE(run_until([&] { return reuse.is_reused(); }));
    const auto [reused, peer] = reuse.new_pair();
    ASSERT_EQ(reused, reuse.old_pair()[0]) << "the number was given out again";
    loop.tick();
    EXPECT_FALSE(reuse.receiving().is_done());
    write_all(peer, "new");
    ASSERT_TRUE(run_until_done(reuse.receiving()));
    ASSERT_TRUE(reuse.receiving().has_value());
    EXPECT_EQ(reuse.received().text(reuse.receiving().value()), "new");
    for (const Fd fd : {reused, peer, reuse.old_pair()[1]}) close(fd);
}

// A dup keeps the old file alive: its data must not reach whoever has the number now.
TEST_P(LoopSockets, DataForAClosedDescriptorDoesNotReachTheNextOwnerOfItsNumber) {
    const auto [near, far] = make_socket_pair();
    const int survivor = ::dup(static_cast<int>(near));
    const Buffer buffer(8);
    Outcome<uint32_t> cancelled, receiving;
    recv(cancelled, near, buffer);
    loop.tick();
    loop.cancel_fd(near);
    ASSERT_TRUE(run_until_done(cancelled));
    close(near);
    const auto [reused, peer] = make_socket_pair();
    ASSERT_EQ(reused, near);
    recv(receiving, reused, buffer);
    write_all(far, "old");
    for (int turn = 0; turn < 3; ++turn) loop.tick();
    EXPECT_FALSE(receiving.is_done());
    write_all(peer, "new");
    ASSERT_TRUE(run_until_done(receiving));
    EXPECT_EQ(buffer.text(receiving.value()), "new");
    ::close(survivor);
    for (const Fd fd : {far, reused, peer}) close(fd);
}

}  // namespace
}  // namespace blockd::io
