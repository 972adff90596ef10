// Cancelling every operation in every state, and closing with operations pending.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <deque>
#include <fcntl.h>
#include <functional>
#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {
namespace {

// How long an operation has been in flight when it is cancelled.
enum class Moment : uint8_t { at_once, after_a_turn, after_its_cause };
constexpr std::array all_moments = {Moment::at_once, Moment::after_a_turn, Moment::after_its_cause};

class LoopCancel : public LoopConformance {
  protected:
    // Cancels `outcome` at the moment: its one callback comes, later, with a result that is either
    // "canceled" or what the operation achieved.
    template <typename Value>
    void cancel_at(Moment moment, Outcome<Value>& outcome, const std::function<void()>& cause) {
        if (moment != Moment::at_once) loop.tick();
        if (moment == Moment::after_its_cause) cause();
        const uint32_t call_count = outcome.call_count();
        loop.cancel(outcome.completion);
        loop.cancel(outcome.completion);
        EXPECT_EQ(outcome.call_count(), call_count) << "never inside cancel()";
        ASSERT_TRUE(run_until_done(outcome));
        loop.tick();
        loop.tick();
        EXPECT_EQ(outcome.call_count(), 1u);
        EXPECT_TRUE(outcome.completion.is_idle());
        EXPECT_TRUE(outcome.has_value() || outcome.is_error(ErrorCode::canceled));
    }

    support::TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Backends, LoopCancel, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopCancel, AnIdleCompletionIsLeftAlone) {
    Completion completion;
    loop.cancel(completion);
    EXPECT_TRUE(completion.is_idle());
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

TEST_P(LoopCancel, AReceiveEndsAndItsSocketStaysUsable) {
    for (const Moment moment : all_moments) {
        const auto [near, far] = make_socket_pair();
        const Fd far_end = far;
        const Buffer buffer(8);
        Outcome<uint32_t> cancelled, receiving;
        loop.recv(cancelled.completion, {.socket = near, .vectors = buffer.vectors()},
                  cancelled.callback());
        cancel_at(moment, cancelled, [&] { write_all(far_end, "a"); });
        write_all(far, "b");
        loop.recv(receiving.completion, {.socket = near, .vectors = buffer.vectors()},
                  receiving.callback());
        ASSERT_TRUE(run_until_done(receiving));
        const std::string all = moment == Moment::after_its_cause ? "ab" : "b";
        if (!cancelled.has_value()) {
            EXPECT_EQ(buffer.text(receiving.value()), all);
        }
        close(near);
        close(far);
    }
}

TEST_P(LoopCancel, ASendThatWaitsForRoomEnds) {
    for (const Moment moment : all_moments) {
        const auto [near, far] = make_socket_pair();
        const Fd far_end = far;
        const std::string block(1 << 16, 'x');
        while (::write(static_cast<int>(near), block.data(), block.size()) > 0) {
        }
        const Buffer buffer(1 << 16);
        Outcome<uint32_t> sending;
        loop.send(sending.completion, {.socket = near, .vectors = buffer.vectors()},
                  sending.callback());
        cancel_at(moment, sending, [&] {
            while (!read_available(far_end, 1 << 16).empty()) {
            }
        });
        close(near);
        close(far);
    }
}

// An accept that won hands its socket over all the same.
TEST_P(LoopCancel, AnAcceptEndsOrHandsOverItsSocket) {
    for (const Moment moment : all_moments) {
        const Fd listener = listen_on_loopback();
        const Address address = address_of(listener);
        const Fd client = open_tcp_socket();
        Outcome<Fd> accepting;
        loop.accept(accepting.completion, {.listener = listener}, accepting.callback());
        cancel_at(moment, accepting, [&] {
            ::connect(static_cast<int>(client),
                      static_cast<const struct sockaddr*>(address.sockaddr()),
                      static_cast<socklen_t>(address.sockaddr_size()));
        });
        if (accepting.has_value()) close(accepting.value());
        close(client);
        close(listener);
    }
}

TEST_P(LoopCancel, AConnectEnds) {
    for (const Moment moment : all_moments) {
        const Fd listener = listen_on_loopback();
        const Address address = address_of(listener);
        const Fd client = open_tcp_socket();
        Outcome<Ok> connecting;
        loop.connect(connecting.completion, {.socket = client, .address = &address},
                     connecting.callback());
        cancel_at(moment, connecting, [] {});
        close(client);
        close(listener);
    }
}

TEST_P(LoopCancel, ATimeoutEndsAndDoesNotFire) {
    for (const Moment moment : all_moments) {
        Outcome<Ok> timeout;
        loop.timeout(timeout.completion, {.after_ns = 3600 * second_ns}, timeout.callback());
        cancel_at(moment, timeout, [] {});
        EXPECT_TRUE(timeout.is_error(ErrorCode::canceled));
    }
}

TEST_P(LoopCancel, ATickEnds) {
    Outcome<Ok> tick;
    loop.next_tick(tick.completion, tick.callback());
    cancel_at(Moment::at_once, tick, [] {});
    EXPECT_TRUE(tick.is_error(ErrorCode::canceled));
}

TEST_P(LoopCancel, AListenerEnds) {
    for (const Moment moment : all_moments) {
        Event event;
        loop.open_event(event);
        Outcome<Ok> listening;
        loop.event_listen(event, listening.completion, listening.callback());
        cancel_at(moment, listening, [&] { loop.event_trigger(event); });
        loop.close_event(event);
    }
}

TEST_P(LoopCancel, ADiskOperationEndsOrSucceeds) {
    const std::string path = directory_.file("data");
    support::write_file(path, support::pattern(1 << 16, 1));
    for (const Moment moment : all_moments) {
        Outcome<Fd> opening;
        loop.open(opening.completion, {.path = path.c_str(), .flags = O_RDWR, .mode = 0},
                  opening.callback());
        cancel_at(moment, opening, [] {});
        if (opening.has_value()) close(opening.value());
        const Fd file = static_cast<Fd>(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        Buffer buffer(4096);
        std::array<Extent, 4> found{};
        Outcome<uint32_t> reading, writing, extents;
        Outcome<Ok> syncing, punching, zeroing;
        loop.read(reading.completion, {.file = file, .buffer = buffer.bytes(), .offset = 0},
                  reading.callback());
        cancel_at(moment, reading, [] {});
        loop.write(writing.completion, {.file = file, .buffer = buffer.bytes(), .offset = 0},
                   writing.callback());
        cancel_at(moment, writing, [] {});
        loop.sync(syncing.completion, {.file = file}, syncing.callback());
        cancel_at(moment, syncing, [] {});
        loop.extents(extents.completion,
                     {.file = file, .offset = 0, .size = 4096, .extents = found},
                     extents.callback());
        cancel_at(moment, extents, [] {});
        close(file);
    }
}

// Closing is not undone: the descriptor would stay open without an owner.
TEST_P(LoopCancel, ACloseTakesPlaceAllTheSame) {
    for (const Moment moment : {Moment::at_once, Moment::after_a_turn}) {
        const auto [near, far] = make_socket_pair();
        Outcome<Ok> closing;
        loop.close(closing.completion, {.fd = near}, closing.callback());
        cancel_at(moment, closing, [] {});
        EXPECT_TRUE(closing.has_value());
        EXPECT_EQ(::fcntl(static_cast<int>(near), F_GETFD), -1);
        close(far);
    }
}

// Shut down, cancel, wait, close: what an owner does with operations in both directions.
TEST_P(LoopCancel, ABusySocketClosesByShutdownAndCancel) {
    const auto [near, far] = make_socket_pair();
    const std::string block(1 << 16, 'x');
    while (::write(static_cast<int>(near), block.data(), block.size()) > 0) {
    }
    const Buffer incoming(8), outgoing(1 << 16);
    Outcome<uint32_t> receiving, sending;
    loop.recv(receiving.completion, {.socket = near, .vectors = incoming.vectors()},
              receiving.callback());
    loop.send(sending.completion, {.socket = near, .vectors = outgoing.vectors()},
              sending.callback());
    loop.tick();
    loop.shutdown(near, ShutdownKind::both);
    loop.cancel_fd(near);
    ASSERT_TRUE(run_until_done(receiving, sending));
    close(near);
    EXPECT_EQ(::fcntl(static_cast<int>(near), F_GETFD), -1);
    close(far);
}

// macOS answers ENOTCONN when the peer is gone already.
TEST_P(LoopCancel, ShuttingDownTwiceOrAfterThePeerLeftIsNoError) {
    const auto [client, server] = make_tcp_pair();
    close(client);
    loop.shutdown(server, ShutdownKind::both);
    loop.shutdown(server, ShutdownKind::both);
    close(server);
    const Fd unconnected = open_tcp_socket();
    loop.shutdown(unconnected, ShutdownKind::both);
    close(unconnected);
}

TEST_P(LoopCancel, CancellingADescriptorWithoutOperationsDoesNothing) {
    const auto [near, far] = make_socket_pair();
    loop.cancel_fd(near);
    EXPECT_EQ(loop.in_flight_count(), 0u);
    close(near);
    close(far);
}

}  // namespace
}  // namespace blockd::io
