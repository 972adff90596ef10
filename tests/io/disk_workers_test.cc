#include "io/disk_workers.h"

#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace blockd::io {
namespace {

class DiskWorkersTest : public testing::Test {
  protected:
    DiskWorkersTest() {
        support::write_file(directory_.file("data"), support::pattern(4096, 1));
        file_ = static_cast<Fd>(::open(directory_.file("data").c_str(), O_RDONLY | O_CLOEXEC));
    }
    ~DiskWorkersTest() override { ::close(static_cast<int>(file_)); }

    DiskWorkers::Doorbell doorbell() {
        return {.context = this, .ring = [](void* context) {
                    ++static_cast<DiskWorkersTest*>(context)->ring_count_;
                }};
    }

    void prepare(Completion& completion) {
        completion.operation = {.kind = OperationKind::read,
                                .fd = file_,
                                .data = bytes_.data(),
                                .size = 1,
                                .offset = 0};
    }

    // Collects `count` operations, each idle again.
    size_t collect(DiskWorkers& workers, size_t count) {
        size_t collected = 0;
        while (collected < count) {
            CompletionList done;
            workers.collect(done);
            while (done.pop_front() != nullptr) ++collected;
            std::this_thread::yield();
        }
        return collected;
    }

    support::TemporaryDirectory directory_;
    Fd file_;
    std::array<std::byte, 4096> bytes_{};
    std::atomic<uint32_t> ring_count_ = 0;
};

TEST_F(DiskWorkersTest, EveryOperationComesBackOnceAndTheDoorbellRings) {
    constexpr size_t count = 2'000;
    constexpr size_t batch = 50;
    std::deque<Completion> completions(count);
    DiskWorkers workers(4, doorbell());
    for (size_t begin = 0; begin < count; begin += batch) {
        CompletionList list;
        for (size_t index = begin; index < begin + batch; ++index) {
            prepare(completions[index]);
            // All read into one byte, which each of them sets to the same value.
            completions[index].operation.kind = OperationKind::sync;
            list.push_back(completions[index]);
        }
        workers.push(list);
        EXPECT_TRUE(list.is_empty());
    }
    EXPECT_EQ(collect(workers, count), count);
    EXPECT_GT(ring_count_, 0u);
    EXPECT_LE(ring_count_, count);
    for (const Completion& completion : completions) EXPECT_EQ(completion.result, 0);
}

TEST_F(DiskWorkersTest, WhatNobodyBeganIsTakenBack) {
    // A FIFO without a writer holds the only worker.
    const std::string fifo = directory_.file("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    Completion opening, reading;
    opening.operation = {.kind = OperationKind::open, .path = fifo.c_str(), .open_flags = O_RDONLY};
    prepare(reading);
    DiskWorkers workers(1, doorbell());
    CompletionList list;
    list.push_back(opening);
    list.push_back(reading);
    workers.push(list);
    EXPECT_TRUE(workers.take_back(reading));
    EXPECT_FALSE(workers.take_back(reading));
    int writer = -1;
    while (writer < 0) writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_EQ(collect(workers, 1), 1u);
    EXPECT_GE(opening.result, 0);
    ::close(static_cast<int>(opening.result));
    ::close(writer);
}

// A signal that is sent to the process is the main thread's to handle: with it blocked there, it
// stays pending, because no worker takes it.
TEST_F(DiskWorkersTest, NoWorkerTakesASignal) {
    DiskWorkers workers(4, doorbell());
    sigset_t user_signal, before, pending;
    sigemptyset(&user_signal);
    sigaddset(&user_signal, SIGUSR1);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &user_signal, &before), 0);
    ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
    ASSERT_EQ(::sigpending(&pending), 0);
    EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
    int taken = 0;
    ASSERT_EQ(::sigwait(&user_signal, &taken), 0);
    EXPECT_EQ(taken, SIGUSR1);
    ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST_F(DiskWorkersTest, IdleWorkersEnd) {
    for (int repetition = 0; repetition < 20; ++repetition) {
        const DiskWorkers workers(8, doorbell());
        EXPECT_EQ(workers.thread_count(), 8u);
    }
}

// Opens a FIFO for writing as soon as a worker is opening it for reading; -1 when none comes.
int open_for_writing(const std::string& fifo) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    int writer = -1;
    while (writer < 0 && std::chrono::steady_clock::now() < deadline) {
        writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        std::this_thread::yield();
    }
    return writer;
}

TEST_F(DiskWorkersTest, OperationsBeginInTheOrderOfTheirPush) {
    const std::string fifo = directory_.file("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    Completion opening;
    opening.operation = {.kind = OperationKind::open, .path = fifo.c_str(), .open_flags = O_RDONLY};
    std::array<Completion, 3> reads;
    DiskWorkers workers(1, doorbell());
    CompletionList list;
    list.push_back(opening);
    for (Completion& read : reads) {
        prepare(read);
        list.push_back(read);
    }
    workers.push(list);
    const int writer = open_for_writing(fifo);
    ASSERT_GE(writer, 0);
    std::vector<Completion*> order;
    while (order.size() < 4) {
        CompletionList done;
        workers.collect(done);
        while (Completion* const completion = done.pop_front()) order.push_back(completion);
        std::this_thread::yield();
    }
    EXPECT_EQ(order, (std::vector<Completion*>{&opening, &reads[0], &reads[1], &reads[2]}));
    ::close(static_cast<int>(opening.result));
    ::close(writer);
}

// Each of these holds its worker: all run only if the push woke a worker for each.
TEST_F(DiskWorkersTest, ABatchWakesAWorkerForEachOperation) {
    constexpr size_t count = 4;
    std::array<std::string, count> fifos;
    std::array<Completion, count> openings;
    std::array<int, count> writers{};
    DiskWorkers workers(count, doorbell());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // They fall asleep.
    CompletionList list;
    for (size_t index = 0; index < count; ++index) {
        fifos[index] = directory_.file("fifo" + std::to_string(index));
        ASSERT_EQ(::mkfifo(fifos[index].c_str(), 0600), 0);
        openings[index].operation = {
            .kind = OperationKind::open, .path = fifos[index].c_str(), .open_flags = O_RDONLY};
        list.push_back(openings[index]);
    }
    workers.push(list);
    for (size_t index = count; index-- > 0;) {  // The last first: none has ended before.
        writers[index] = open_for_writing(fifos[index]);
        EXPECT_GE(writers[index], 0) << "no worker began operation " << index;
        // Lets it end all the same.
        if (writers[index] < 0) writers[index] = ::open(fifos[index].c_str(), O_RDWR | O_CLOEXEC);
    }
    EXPECT_EQ(collect(workers, count), count);
    for (size_t index = 0; index < count; ++index) {
        ::close(static_cast<int>(openings[index].result));
        ::close(writers[index]);
    }
}

}  // namespace
}  // namespace blockd::io
