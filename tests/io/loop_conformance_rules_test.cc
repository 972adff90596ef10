// DESIGN.md's eight rules of the loop, as far as any backend can show them; loop_test.cc shows the
// rest on a scripted backend. Breaking a rule of ours ends the program: those are death tests.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <array>
#include <fcntl.h>
#include <memory>
#include <span>
#include <thread>
#include <unistd.h>
#include <vector>

namespace blockd::io {
namespace {

class LoopRules : public LoopConformance {
  protected:
    // The backend's threads do not survive a plain fork.
    LoopRules() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

    void recv(Outcome<uint32_t>& outcome, Fd socket) {
        loop.recv(outcome.completion, {.socket = socket, .vectors = buffer_.vectors()},
                  outcome.callback());
    }
    void send(Outcome<uint32_t>& outcome, Fd socket) {
        loop.send(outcome.completion, {.socket = socket, .vectors = buffer_.vectors()},
                  outcome.callback());
    }

    Buffer buffer_{8};
};
using LoopRulesDeathTest = LoopRules;
INSTANTIATE_TEST_SUITE_P(Backends, LoopRules, testing::ValuesIn(backend_choices()),
                         backend_choice_name);
INSTANTIATE_TEST_SUITE_P(Backends, LoopRulesDeathTest, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

// Rule 1: data is there, room is there; still nothing is called back before the next turn.
TEST_P(LoopRules, NoCallbackRunsInsideASubmit) {
    const auto [near, far] = make_socket_pair();
    write_all(far, "ready");
    Outcome<uint32_t> receiving, sending;
    Outcome<Ok> tick, timeout;
    recv(receiving, near);
    send(sending, near);
    loop.next_tick(tick.completion, tick.callback());
    loop.timeout(timeout.completion, {.after_ns = 0}, timeout.callback());
    EXPECT_EQ(receiving.call_count() + sending.call_count(), 0u);
    EXPECT_EQ(tick.call_count() + timeout.call_count(), 0u);
    EXPECT_EQ(loop.in_flight_count(), 4u);
    ASSERT_TRUE(run_until_done(receiving, sending, tick, timeout));
    EXPECT_EQ(loop.in_flight_count(), 0u);
    close(near);
    close(far);
}

// Rule 2: the Completion is idle in its callback, which may submit it again or end its owner.
struct OwnerOfItself {
    std::unique_ptr<OwnerOfItself>& self;
    Loop& loop;
    int rounds_left = 2;
    Completion completion{};
    void done(Result<Ok>) {
        ASSERT_TRUE(completion.is_idle());
        if (--rounds_left > 0) {
            loop.next_tick(completion, bind<&OwnerOfItself::done>(this));
        } else {
            self.reset();
        }
    }
};

TEST_P(LoopRules, ACallbackMaySubmitAgainAndMayDestroyItsOwner) {
    std::unique_ptr<OwnerOfItself> owner;
    owner.reset(new OwnerOfItself{.self = owner, .loop = loop});
    loop.next_tick(owner->completion, bind<&OwnerOfItself::done>(owner.get()));
    ASSERT_TRUE(run_until([&] { return owner == nullptr; }));
}

// Rule 3: both directions of one socket at once are fine, a second of one direction is not.
TEST_P(LoopRules, ReceiveAndSendOfOneSocketAreIndependent) {
    const auto [near, far] = make_socket_pair();
    const std::string block(1 << 16, 'x');
    while (::write(static_cast<int>(near), block.data(), block.size()) > 0) {
    }
    Outcome<uint32_t> receiving, sending;
    recv(receiving, near);
    send(sending, near);
    loop.tick();
    EXPECT_FALSE(receiving.is_done() || sending.is_done());
    write_all(far, "in");
    ASSERT_TRUE(run_until_done(receiving));
    EXPECT_FALSE(sending.is_done()) << "the receive did not end the send";
    while (!read_available(far, 1 << 16).empty()) {
    }
    ASSERT_TRUE(run_until_done(sending));
    close(near);
    close(far);
}

TEST_P(LoopRulesDeathTest, ASecondReceiveOfOneSocketAsserts) {
    const auto [near, far] = make_socket_pair();
    Outcome<uint32_t> first, second;
    recv(first, near);
    EXPECT_DEATH(recv(second, near), "slot.reader == nullptr");
    loop.tick();
    EXPECT_DEATH(recv(second, near), "slot.reader == nullptr");
    loop.cancel_fd(near);
    ASSERT_TRUE(run_until_done(first));
    close(near);
    close(far);
}

TEST_P(LoopRulesDeathTest, ASecondSendOfOneSocketAsserts) {
    const auto [near, far] = make_socket_pair();
    Outcome<uint32_t> first, second;
    send(first, near);
    EXPECT_DEATH(send(second, near), "slot.writer == nullptr");
    ASSERT_TRUE(run_until_done(first));
    close(near);
    close(far);
}

TEST_P(LoopRulesDeathTest, SubmittingACompletionTwiceAsserts) {
    Outcome<Ok> tick;
    loop.next_tick(tick.completion, tick.callback());
    EXPECT_DEATH(loop.next_tick(tick.completion, tick.callback()), "completion.is_idle");
    loop.tick();
}

TEST_P(LoopRulesDeathTest, DestroyingACompletionInFlightAsserts) {
    const auto destroy = [&] {
        Outcome<Ok> timeout;
        loop.timeout(timeout.completion, {.after_ns = second_ns}, timeout.callback());
    };
    EXPECT_DEATH(destroy(), "is_idle");
}

TEST_P(LoopRulesDeathTest, DestroyingALoopWithAnOperationInFlightAsserts) {
    const auto destroy = [&] {
        Outcome<Ok> timeout;
        Loop other(make_backend());
        other.timeout(timeout.completion, {.after_ns = second_ns}, timeout.callback());
    };
    EXPECT_DEATH(destroy(), "in_flight_count_ == 0");
}

// Rule 4.
TEST_P(LoopRulesDeathTest, ClosingABusySocketAsserts) {
    const auto [near, far] = make_socket_pair();
    Outcome<uint32_t> receiving;
    Outcome<Ok> closing;
    recv(receiving, near);
    loop.tick();
    const Fd busy = near;
    EXPECT_DEATH(loop.close(closing.completion, {.fd = busy}, closing.callback()), "slot.is_idle");
    loop.cancel_fd(near);
    ASSERT_TRUE(run_until_done(receiving));
    close(near);
    close(far);
}

TEST_P(LoopRulesDeathTest, ClosingABusyFileAsserts) {
    support::TemporaryDirectory directory;
    support::write_file(directory.file("data"), "12345678");
    const Fd file = static_cast<Fd>(::open(directory.file("data").c_str(), O_RDWR | O_CLOEXEC));
    Outcome<uint32_t> reading;
    Outcome<Ok> closing;
    loop.read(reading.completion, {.file = file, .buffer = buffer_.bytes(), .offset = 0},
              reading.callback());
    EXPECT_DEATH(loop.close(closing.completion, {.fd = file}, closing.callback()), "slot.is_idle");
    ASSERT_TRUE(run_until_done(reading));
    close(file);
}

TEST_P(LoopRulesDeathTest, UsingASocketAfterItsCloseWasSubmittedAsserts) {
    const auto [near, far] = make_socket_pair();
    Outcome<Ok> closing;
    Outcome<uint32_t> receiving;
    loop.close(closing.completion, {.fd = near}, closing.callback());
    const Fd closed = near;
    EXPECT_DEATH(recv(receiving, closed), "is_close_staged");
    ASSERT_TRUE(run_until_done(closing));
    close(far);
}

TEST_P(LoopRulesDeathTest, NoOrTooManyVectorsAssert) {
    const auto [near, far] = make_socket_pair();
    const std::vector<IoVector> vectors(Loop::vectors_max + 1);
    Outcome<uint32_t> moving;
    const auto send_of = [&](std::span<const IoVector> some, Fd socket) {
        loop.send(moving.completion, {.socket = socket, .vectors = some}, moving.callback());
    };
    const auto recv_of = [&](std::span<const IoVector> some, Fd socket) {
        loop.recv(moving.completion, {.socket = socket, .vectors = some}, moving.callback());
    };
    EXPECT_DEATH(send_of(vectors, near), "vectors_max");
    EXPECT_DEATH(recv_of(vectors, near), "vectors_max");
    EXPECT_DEATH(send_of({}, near), "empty");
    EXPECT_DEATH(recv_of({}, near), "empty");
    close(near);
    close(far);
}

// The buffer is named, never touched.
TEST_P(LoopRulesDeathTest, ATransferOfMoreThanAGibibyteAsserts) {
    const Fd file = static_cast<Fd>(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::byte byte{};
    const std::span<std::byte> buffer(&byte, (size_t{1} << 30) + 1);
    Outcome<uint32_t> moving;
    EXPECT_DEATH(loop.read(moving.completion, {.file = file, .buffer = buffer, .offset = 0},
                           moving.callback()),
                 "transfer_size_max");
    EXPECT_DEATH(loop.write(moving.completion, {.file = file, .buffer = buffer, .offset = 0},
                            moving.callback()),
                 "transfer_size_max");
    close(file);
}

TEST_P(LoopRulesDeathTest, AskingForTheExtentsOfNothingOrForNoneAsserts) {
    const Fd file = static_cast<Fd>(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::array<Extent, 2> extents{};
    Outcome<uint32_t> finding;
    const auto find = [&](uint64_t size, std::span<Extent> found) {
        loop.extents(finding.completion,
                     {.file = file, .offset = 0, .size = size, .extents = found},
                     finding.callback());
    };
    EXPECT_DEATH(find(0, extents), "operation.size > 0");
    EXPECT_DEATH(find(4096, {}), "extents.empty");
    close(file);
}

// One thread owns a loop.
TEST_P(LoopRulesDeathTest, SubmittingFromAnotherThreadAsserts) {
    loop.tick();
    const auto submit_elsewhere = [&] {
        Outcome<Ok> tick;
        std::thread([&] { loop.next_tick(tick.completion, tick.callback()); }).join();
    };
    EXPECT_DEATH(submit_elsewhere(), "is_own_thread");
}

}  // namespace
}  // namespace blockd::io
