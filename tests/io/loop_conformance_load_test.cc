// Many connections, many timeouts, and signals that interrupt every sleep.
#include "io/loop_conformance.h"

#include <chrono>
#include <csignal>
#include <deque>
#include <random>
#include <sys/resource.h>
#include <sys/time.h>
#include <thread>

namespace blockd::io {
namespace {

using LoopLoad = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopLoad, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

// Sends back what it receives, until the end of the stream.
class Echo {
  public:
    Echo(Loop& loop, Fd socket) : loop_(loop), socket_(socket) { receive(); }
    bool is_over() const { return is_over_; }
    Fd socket() const { return socket_; }

  private:
    void receive() {
        vector_ = {bytes_.data(), bytes_.size()};
        loop_.recv(completion_, {.socket = socket_, .vectors = {&vector_, 1}},
                   bind<&Echo::received>(this));
    }
    void received(Result<uint32_t> result) {
        if (!result || *result == 0) {
            is_over_ = true;
            return;
        }
        vector_.size = *result;
        loop_.send(completion_, {.socket = socket_, .vectors = {&vector_, 1}},
                   bind<&Echo::sent>(this));
    }
    void sent(Result<uint32_t> result) {
        ASSERT_TRUE(result);
        ASSERT_EQ(*result, vector_.size);
        receive();
    }

    Loop& loop_;
    Fd socket_;
    bool is_over_ = false;
    Completion completion_;
    std::array<char, 16> bytes_{};
    IoVector vector_{};
};

TEST_P(LoopLoad, FiveThousandConnectionsAreServedAtATime) {
    constexpr size_t wanted = 5'000;
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2 * wanted + 200);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * wanted + 200) GTEST_SKIP() << "the descriptor limit is too low";
    std::vector<Fd> peers;
    std::deque<Echo> echoes;
    for (size_t index = 0; index < wanted; ++index) {
        const auto [near, far] = make_socket_pair();
        peers.push_back(far);
        echoes.emplace_back(loop, near);
    }
    for (int round = 0; round < 3; ++round) {
        for (const Fd peer : peers) write_all(peer, "ping");
        std::vector<bool> has_answered(wanted);
        size_t answered = 0;
        const auto collect = [&] {
            for (size_t index = 0; index < wanted; ++index) {
                if (has_answered[index] || read_available(peers[index], 8) != "ping") continue;
                has_answered[index] = true;
                ++answered;
            }
            return answered == wanted;
        };
        ASSERT_TRUE(run_until(collect));
    }
    for (const Fd peer : peers) close(peer);
    for (Echo& echo : echoes) {
        ASSERT_TRUE(run_until([&] { return echo.is_over(); }));
        close(echo.socket());
    }
}

// Comparisons are bounded in timeout_queue_test.cc; here a whole turn is measured, generously: a
// scan of 100,000 timeouts takes more than ten milliseconds a turn.
TEST_P(LoopLoad, ATurnCostsTheSameBesideAHundredThousandTimeouts) {
    constexpr size_t count = 100'000;
    constexpr int turns = 1'000;
    const auto turn_ns = [&] {
        const auto begin = std::chrono::steady_clock::now();
        for (int turn = 0; turn < turns; ++turn) loop.tick();
        return std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count() / turns;
    };
    const int64_t without_ns = turn_ns();
    std::mt19937_64 random(1);
    std::deque<Outcome<Ok>> timeouts(count);
    for (Outcome<Ok>& timeout : timeouts) {
        const uint64_t after_ns = 3600 * second_ns + random() % second_ns;
        loop.timeout(timeout.completion, {.after_ns = after_ns}, timeout.callback());
    }
    loop.tick();
    const int64_t with_ns = turn_ns();
    RecordProperty("turn_ns", std::to_string(with_ns));
    EXPECT_LT(with_ns, 10 * without_ns + 100'000);
    for (Outcome<Ok>& timeout : timeouts) loop.cancel(timeout.completion);
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    for (Outcome<Ok>& timeout : timeouts) {
        ASSERT_EQ(timeout.call_count(), 1u);
        ASSERT_TRUE(timeout.is_error(ErrorCode::canceled));
    }
}

volatile std::sig_atomic_t signal_count = 0;
void count_signal(int) { signal_count = signal_count + 1; }

// A signal each half millisecond, without SA_RESTART: every sleep ends with EINTR.
class SignalStorm {
  public:
    SignalStorm() {
        signal_count = 0;
        struct sigaction action {};
        action.sa_handler = count_signal;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGALRM, &action, &old_action_);
        const itimerval interval = {.it_interval = {.tv_sec = 0, .tv_usec = 500},
                                    .it_value = {.tv_sec = 0, .tv_usec = 500}};
        ::setitimer(ITIMER_REAL, &interval, nullptr);
    }
    SignalStorm(const SignalStorm&) = delete;
    SignalStorm& operator=(const SignalStorm&) = delete;
    ~SignalStorm() {
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        ::sigaction(SIGALRM, &old_action_, nullptr);
    }

  private:
    struct sigaction old_action_ {};
};

TEST_P(LoopLoad, SignalsNeitherLoseEventsNorShortenTimeouts) {
    const auto [near, far] = make_socket_pair();
    const SignalStorm storm;
    Outcome<Ok> timeout;
    const auto begin = std::chrono::steady_clock::now();
    loop.timeout(timeout.completion, {.after_ns = 30 * millisecond_ns}, timeout.callback());
    ASSERT_TRUE(run_until_done(timeout));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
    EXPECT_GT(signal_count, 0);
    Echo echo(loop, near);
    for (int round = 0; round < 200; ++round) {
        write_all(far, "ping");
        ASSERT_TRUE(run_until([peer = far] { return read_available(peer, 8) == "ping"; }));
    }
    close(far);
    ASSERT_TRUE(run_until([&] { return echo.is_over(); }));
    close(near);
}

TEST_P(LoopLoad, TwoLoopsServeInTwoThreads) {
    constexpr int round_count = 500;
    const auto serve = [](std::unique_ptr<Backend> backend, std::array<Fd, 2> pair) {
        Loop own_loop(std::move(backend));
        Echo echo(own_loop, pair[0]);
        int answered = 0;
        write_all(pair[1], "ping");
        while (answered < round_count) {
            own_loop.run_for_ns(millisecond_ns);
            if (read_available(pair[1], 8) != "ping") continue;
            ++answered;
            if (answered < round_count) write_all(pair[1], "ping");
        }
        Outcome<Ok> closing;
        own_loop.close(closing.completion, {.fd = pair[1]}, closing.callback());
        while (!echo.is_over()) own_loop.run_for_ns(millisecond_ns);
        Outcome<Ok> closing_own;
        own_loop.close(closing_own.completion, {.fd = pair[0]}, closing_own.callback());
        while (own_loop.in_flight_count() > 0) own_loop.run_for_ns(millisecond_ns);
        EXPECT_TRUE(closing.has_value() && closing_own.has_value());
    };
    std::thread first(serve, make_backend(), make_socket_pair());
    std::thread second(serve, make_backend(), make_socket_pair());
    first.join();
    second.join();
}

}  // namespace
}  // namespace blockd::io
