// What the io_uring backend does beyond what every backend does, and its ring.
#include "io/backend_uring.h"

#include "io/clock.h"
#include "io/loop_conformance.h"
#include "support/temporary_directory.h"

#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace blockd::io {
namespace {

class UringTest : public testing::Test {
  protected:
    void SetUp() override {
        const int32_t status = probe_uring();
        if (status < 0) GTEST_SKIP() << "io_uring is denied here: " << std::strerror(-status);
    }
};

class UringBackendTest : public UringTest {
  protected:
    void SetUp() override {
        UringTest::SetUp();
        if (IsSkipped()) return;
        loop = std::make_unique<Loop>(std::move(*make_uring_backend({})));
    }

    template <typename... Outcomes>
    void run_until_done(const Outcomes&... outcomes) {
        const uint64_t deadline_ns = loop->now_ns() + 10 * second_ns;
        while (!(outcomes.is_done() && ...)) {
            loop->run_for_ns(millisecond_ns);
            ASSERT_LT(loop->now_ns(), deadline_ns);
        }
    }

    void close(Fd fd) {
        Outcome<Ok> closed;
        loop->close(closed.completion, {.fd = fd}, closed.callback());
        run_until_done(closed);
    }

    std::unique_ptr<Loop> loop;
};

std::array<Fd, 2> make_pair(int flags) {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, sockets.data()), 0);
    return {static_cast<Fd>(sockets[0]), static_cast<Fd>(sockets[1])};
}

TEST_F(UringTest, TakesMoreRequestsThanItHasPlaces) {
    Uring ring;
    ASSERT_EQ(ring.open(), 0);
    ASSERT_EQ(ring.enable(), 0);
    constexpr uint64_t count = 3 * Uring::entries + 1;
    std::set<size_t> places;
    for (uint64_t cookie = 2; cookie < count + 2; ++cookie) {
        io_uring_sqe& request = ring.next_request();
        places.insert(ring.place_of(request));
        io_uring_prep_nop(&request);
        request.user_data = cookie;
    }
    EXPECT_EQ(places.size(), size_t{Uring::entries});
    EXPECT_EQ(*places.rbegin(), size_t{Uring::entries - 1});
    ring.enter(0);
    Uring::Answer answer{};
    for (uint64_t cookie = 2; cookie < count + 2; ++cookie) {
        ASSERT_TRUE(ring.take_answer(answer));
        EXPECT_EQ(answer.cookie, cookie);
        EXPECT_EQ(answer.result, 0);
    }
    EXPECT_FALSE(ring.take_answer(answer));
}

// Nobody takes an answer until the kernel has more than the ring holds.
TEST_F(UringTest, LosesNoAnswerThatFindsNoRoom) {
    Uring ring;
    ASSERT_EQ(ring.open(), 0);
    ASSERT_EQ(ring.enable(), 0);
    constexpr uint64_t count = 3 * Uring::answers_max;
    for (uint64_t cookie = 2; cookie < count + 2; ++cookie) {
        io_uring_sqe& request = ring.next_request();
        io_uring_prep_nop(&request);
        request.user_data = cookie;
    }
    std::set<uint64_t> cookies;
    Uring::Answer answer{};
    for (int turn = 0; turn < 100 && cookies.size() < count; ++turn) {
        ring.enter(0);
        while (ring.take_answer(answer)) EXPECT_TRUE(cookies.insert(answer.cookie).second);
    }
    EXPECT_EQ(cookies.size(), count);
}

TEST_F(UringTest, ItsDoorbellEndsASleepNowOrTheNextOne) {
    Uring ring;
    ASSERT_EQ(ring.open(), 0);
    ASSERT_EQ(ring.enable(), 0);
    Uring::Answer answer{};
    for (int round = 0; round < 3; ++round) {
        std::thread ringer([&] { ring.ring_doorbell(); });
        ring.enter(10 * second_ns);  // A sleep of that length would be seen.
        EXPECT_FALSE(ring.take_answer(answer)) << "it is the ring's own";
        ringer.join();
    }
    ring.ring_doorbell();
    ring.enter(10 * second_ns);
    EXPECT_FALSE(ring.take_answer(answer));
}

TEST_F(UringTest, GathersForAMomentAlthoughThereIsAnAnswer) {
    Uring ring;
    ASSERT_EQ(ring.open(), 0);
    ASSERT_EQ(ring.enable(), 0);
    io_uring_sqe& request = ring.next_request();
    io_uring_prep_nop(&request);
    request.user_data = 2;
    const uint64_t begin_ns = monotonic_now_ns();
    ring.gather();
    EXPECT_GE(monotonic_now_ns() - begin_ns, Uring::gather_ns);
    EXPECT_TRUE(ring.has_answer());
    Uring::Answer answer{};
    EXPECT_TRUE(ring.take_answer(answer));

    ring.gather();
    EXPECT_FALSE(ring.has_answer()) << "nor does it wait for one";
}

// What the gathering does not bring is slept for as ever.
TEST_F(UringBackendTest, AnExpectationThatFailsDelaysNothing) {
    const auto [near, far] = make_pair(0);
    Buffer received(16);
    Outcome<uint32_t> receiving;
    loop->recv(receiving.completion, {.socket = near, .vectors = received.vectors()},
               receiving.callback());
    loop->tick();
    loop->expect_more();
    std::thread sender([socket = far] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_EQ(::send(static_cast<int>(socket), "more", 4, 0), 4);
    });
    const uint64_t begin_ns = monotonic_now_ns();
    loop->flush(10 * second_ns);
    EXPECT_TRUE(receiving.is_done());
    EXPECT_GE(monotonic_now_ns() - begin_ns, 10 * millisecond_ns);
    sender.join();
    close(near);
    close(far);
}

TEST_F(UringBackendTest, NamesItselfAndItsDepth) {
    EXPECT_STREQ(loop->backend_name(), "io_uring");
    EXPECT_EQ(loop->disk_depth(), UringBackend::requests_in_flight_max);
}

// The one worker is held by a FIFO, whose opening lasts until somebody opens it for writing. A read
// waits behind it and can be taken back; the kernel would have ended it.
TEST_F(UringTest, DiskWorkersReadFilesWhereTheyAreToldTo) {
    support::TemporaryDirectory directory;
    support::write_file(directory.file("data"), std::string(4096, 'x'));
    const std::string fifo = directory.file("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    Loop loop(std::move(*make_uring_backend(
        {.disk_workers = 1, .file_transfers = FileTransfers::on_disk_workers})));
    EXPECT_EQ(loop.disk_depth(), 1u);
    const int file = ::open(directory.file("data").c_str(), O_RDONLY | O_CLOEXEC);
    Buffer buffer(4096);
    Outcome<Fd> opening;
    Outcome<uint32_t> reading;
    loop.open(opening.completion, {.path = fifo.c_str(), .flags = O_RDONLY, .mode = 0},
              opening.callback());
    loop.read(reading.completion, {.file = Fd(file), .buffer = buffer.bytes(), .offset = 0},
              reading.callback());
    loop.tick();
    loop.cancel(reading.completion);
    loop.tick();
    EXPECT_TRUE(reading.is_error(ErrorCode::canceled));

    int writer = -1;
    for (; writer < 0; loop.run_for_ns(millisecond_ns)) {  // ENXIO: the worker is not there yet.
        writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    }
    while (loop.in_flight_count() > 0) loop.run_for_ns(millisecond_ns);
    for (const int fd : {int(opening.value()), writer, file}) ::close(fd);
}

// The kernel waits for either; its own flag is not asked.
TEST_F(UringBackendTest, ASocketIsWaitedForWhetherItBlocksOrNot) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
        const auto [near, far] = make_pair(flags);
        Buffer received(1 << 16);
        const Buffer sent(1 << 22);  // More than the socket holds.
        Outcome<uint32_t> receiving, sending, second_sending;
        loop->send(sending.completion, {.socket = near, .vectors = sent.vectors()},
                   sending.callback());
        run_until_done(sending);
        loop->send(second_sending.completion, {.socket = near, .vectors = sent.vectors()},
                   second_sending.callback());
        for (int turn = 0; turn < 5; ++turn) loop->tick();
        loop->recv(receiving.completion, {.socket = near, .vectors = received.vectors()},
                   receiving.callback());
        for (int turn = 0; turn < 5; ++turn) loop->tick();
        EXPECT_FALSE(receiving.is_done());
        write_all(far, "here");
        run_until_done(receiving);
        EXPECT_EQ(received.text(receiving.value()), "here");
        while (!second_sending.is_done()) {
            read_available(far, 1 << 20);
            loop->run_for_ns(millisecond_ns);
        }
        EXPECT_TRUE(second_sending.has_value());
        close(near);
        close(far);
    }
}

// One request that the kernel cuts short, and the whole of it all the same.
TEST_F(UringBackendTest, AReadAcrossTheEndOfTheFileGetsWhatThereIs) {
    support::TemporaryDirectory directory;
    support::write_file(directory.file("data"), std::string(10'000, 'x'));
    const Fd file = static_cast<Fd>(::open(directory.file("data").c_str(), O_RDONLY | O_CLOEXEC));
    Buffer buffer(8192);
    Outcome<uint32_t> across, behind;
    loop->read(across.completion, {.file = file, .buffer = buffer.bytes(), .offset = 8192},
               across.callback());
    loop->read(behind.completion, {.file = file, .buffer = buffer.bytes(), .offset = 16384},
               behind.callback());
    run_until_done(across, behind);
    EXPECT_EQ(across.value(), 10'000u - 8192u);
    EXPECT_EQ(buffer.text(across.value()), std::string(10'000 - 8192, 'x'));
    EXPECT_EQ(behind.value(), 0u);
    close(file);
}

TEST_F(UringBackendTest, AFullUnixListenerRefuses) {
    support::TemporaryDirectory directory;
    const Address address = *Address::unix_path(directory.file("s"));
    const Fd listener = *loop->listen({.address = address, .backlog = 1});
    std::deque<Outcome<Ok>> connects;
    std::vector<Fd> sockets;
    for (int index = 0; index < 4; ++index) {
        sockets.push_back(*loop->open_socket(AddressFamily::unix_path));
        connects.emplace_back();
        loop->connect(connects.back().completion, {.socket = sockets.back(), .address = &address},
                      connects.back().callback());
        run_until_done(connects.back());
    }
    EXPECT_TRUE(connects[0].has_value());
    EXPECT_TRUE(connects[1].has_value());
    EXPECT_TRUE(connects[2].is_error(ErrorCode::connection_refused));
    EXPECT_TRUE(connects[3].is_error(ErrorCode::connection_refused));
    for (const Fd socket : sockets) close(socket);
    close(listener);
}

// The request is in the ring, and the kernel has not seen it: what it will answer is "try again".
class CancelInTheTurn {
  public:
    CancelInTheTurn(Loop& loop, Fd socket, Fd listener)
        : loop_(loop), socket_(socket), listener_(listener) {}

    void start() { loop_.next_tick(tick_, bind<&CancelInTheTurn::submit>(this)); }
    Outcome<uint32_t> receiving;
    Outcome<Fd> accepting;

  private:
    void submit(Result<Ok>) {
        loop_.recv(receiving.completion, {.socket = socket_, .vectors = buffer_.vectors()},
                   receiving.callback());
        loop_.accept(accepting.completion, {.listener = listener_}, accepting.callback());
        // Its callback comes in this turn, after what was submitted went to the backend.
        loop_.close(closing_, {.fd = static_cast<Fd>(::dup(static_cast<int>(socket_)))},
                    bind<&CancelInTheTurn::cancel>(this));
    }
    void cancel(Result<Ok>) {
        loop_.cancel(receiving.completion);
        loop_.cancel(accepting.completion);
    }

    Loop& loop_;
    Fd socket_;
    Fd listener_;
    Buffer buffer_{8};
    Completion tick_, closing_;
};

TEST_F(UringBackendTest, ACancelInTheTurnOfItsRequestIsNotLost) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
        const auto [near, far] = make_pair(flags);
        const Fd listener = *loop->listen({.address = *Address::ip("127.0.0.1", 0)});
        ASSERT_EQ(::fcntl(static_cast<int>(listener), F_SETFL, flags == 0 ? 0 : O_NONBLOCK), 0);
        CancelInTheTurn turn(*loop, near, listener);
        turn.start();
        run_until_done(turn.receiving, turn.accepting);
        EXPECT_TRUE(turn.receiving.is_error(ErrorCode::canceled));
        EXPECT_TRUE(turn.accepting.is_error(ErrorCode::canceled));
        for (const Fd fd : {near, far, listener}) close(fd);
    }
}

// Each message lies in its request's place of the ring until the kernel takes it.
TEST_F(UringBackendTest, MoreMessagesInOneTurnThanTheRingHasPlaces) {
    constexpr size_t count = 2 * Uring::entries;
    struct Conversation {
        std::array<Fd, 2> pair = make_pair(0);
        std::array<char, 4> sent{};
        std::array<char, 4> received{};
        std::array<IoVector, 2> sent_vectors{};
        std::array<IoVector, 2> received_vectors{};
        Outcome<uint32_t> sending, receiving;
    };
    std::deque<Conversation> conversations(count);
    for (size_t index = 0; index < count; ++index) {
        Conversation& each = conversations[index];
        std::memcpy(each.sent.data(), &index, 4);
        each.sent_vectors = {IoVector{each.sent.data(), 1}, IoVector{each.sent.data() + 1, 3}};
        each.received_vectors = {IoVector{each.received.data(), 3},
                                 IoVector{each.received.data() + 3, 1}};
        loop->recv(each.receiving.completion,
                   {.socket = each.pair[0], .vectors = each.received_vectors},
                   each.receiving.callback());
        loop->send(each.sending.completion, {.socket = each.pair[1], .vectors = each.sent_vectors},
                   each.sending.callback());
    }
    for (Conversation& each : conversations) {
        run_until_done(each.sending, each.receiving);
        EXPECT_EQ(each.received, each.sent);
        for (const Fd fd : each.pair) close(fd);
    }
}

// A ring belongs to one thread: the one that runs the loop, not the one that made it.
TEST_F(UringBackendTest, ALoopMayRunInAnotherThreadThanItWasMadeIn) {
    std::thread runner([this] {
        Outcome<Ok> ticked, timed;
        loop->timeout(timed.completion, {.after_ns = millisecond_ns}, timed.callback());
        loop->next_tick(ticked.completion, ticked.callback());
        const auto [near, far] = make_pair(0);
        Buffer buffer(4);
        Outcome<uint32_t> receiving;
        loop->recv(receiving.completion, {.socket = near, .vectors = buffer.vectors()},
                   receiving.callback());
        write_all(far, "four");
        run_until_done(ticked, timed, receiving);
        EXPECT_EQ(receiving.value(), 4u);
        close(near);
        close(far);
    });
    runner.join();
}

}  // namespace
}  // namespace blockd::io
