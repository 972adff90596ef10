// Files: the disk operations, and the order of a file's syncs.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <deque>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blockd::io {
namespace {

class LoopFiles : public LoopConformance {
  protected:
    Fd open(const std::string& path, int flags) {
        Outcome<Fd> opened;
        loop.open(opened.completion, {.path = path.c_str(), .flags = flags, .mode = 0600},
                  opened.callback());
        run_until_done(opened);
        EXPECT_TRUE(opened.has_value());
        return opened.value();
    }

    support::TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Backends, LoopFiles, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopFiles, WhatIsWrittenAtAnOffsetIsReadBack) {
    const Fd file = open(directory_.file("data"), O_CREAT | O_RDWR);
    EXPECT_NE(::fcntl(static_cast<int>(file), F_GETFD) & FD_CLOEXEC, 0);
    Buffer written("twenty bytes of data");
    Outcome<uint32_t> write;
    loop.write(write.completion, {.file = file, .buffer = written.bytes(), .offset = 10},
               write.callback());
    ASSERT_TRUE(run_until_done(write));
    EXPECT_EQ(write.value(), 20u);
    Outcome<Ok> sync;
    loop.sync(sync.completion, {.file = file}, sync.callback());
    ASSERT_TRUE(run_until_done(sync));
    EXPECT_TRUE(sync.has_value());
    Buffer read_back(20);
    Outcome<uint32_t> read;
    loop.read(read.completion, {.file = file, .buffer = read_back.bytes(), .offset = 10},
              read.callback());
    ASSERT_TRUE(run_until_done(read));
    EXPECT_EQ(read.value(), 20u);
    EXPECT_EQ(read_back.text(20), "twenty bytes of data");
    close(file);
}

TEST_P(LoopFiles, AReadPastTheEndIsShort) {
    support::write_file(directory_.file("data"), "12345");
    const Fd file = open(directory_.file("data"), O_RDONLY);
    Buffer buffer(10);
    Outcome<uint32_t> read;
    loop.read(read.completion, {.file = file, .buffer = buffer.bytes(), .offset = 2},
              read.callback());
    ASSERT_TRUE(run_until_done(read));
    EXPECT_EQ(read.value(), 3u);
    close(file);
}

TEST_P(LoopFiles, AnErrorNamesItsStep) {
    Outcome<Fd> opened;
    const std::string path = directory_.file("absent");
    loop.open(opened.completion, {.path = path.c_str(), .flags = O_RDONLY, .mode = 0},
              opened.callback());
    ASSERT_TRUE(run_until_done(opened));
    EXPECT_TRUE(opened.is_error(ErrorCode::not_found));
    EXPECT_STREQ(opened.error().during, "open");
}

TEST_P(LoopFiles, AFileOpensRelativeToADirectory) {
    support::write_file(directory_.file("data"), "x");
    const Fd directory = open(directory_.path(), O_RDONLY | O_DIRECTORY);
    Outcome<Fd> opened;
    loop.open(opened.completion,
              {.path = "data", .flags = O_RDONLY, .mode = 0, .directory = directory},
              opened.callback());
    ASSERT_TRUE(run_until_done(opened));
    ASSERT_TRUE(opened.has_value());
    close(opened.value());
    close(directory);
}

TEST_P(LoopFiles, ManyOperationsOfOneFileRunAtATime) {
    constexpr size_t count = 200;
    const Fd file = open(directory_.file("data"), O_CREAT | O_RDWR);
    std::deque<Buffer> buffers;
    std::deque<Outcome<uint32_t>> writes(count);
    std::deque<Outcome<uint32_t>> reads(count);
    for (size_t index = 0; index < count; ++index) {
        Buffer& buffer = buffers.emplace_back(512, static_cast<std::byte>(index));
        loop.write(writes[index].completion,
                   {.file = file, .buffer = buffer.bytes(), .offset = index * 512},
                   writes[index].callback());
    }
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    std::deque<Buffer> read_back;
    for (size_t index = 0; index < count; ++index) {
        Buffer& buffer = read_back.emplace_back(512);
        loop.read(reads[index].completion,
                  {.file = file, .buffer = buffer.bytes(), .offset = index * 512},
                  reads[index].callback());
    }
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    for (size_t index = 0; index < count; ++index) {
        ASSERT_EQ(writes[index].value(), 512u);
        ASSERT_EQ(reads[index].value(), 512u);
        ASSERT_EQ(read_back[index].text(512), buffers[index].text(512));
    }
    close(file);
}

TEST_P(LoopFiles, AHoleIsPunchedAndReported) {
    constexpr uint64_t block = 65'536;
    support::write_file(directory_.file("data"), support::pattern(3 * block, 1));
    const Fd file = open(directory_.file("data"), O_RDWR);
    Outcome<Ok> punched;
    loop.punch_hole(punched.completion, {.file = file, .offset = block, .size = block},
                    punched.callback());
    ASSERT_TRUE(run_until_done(punched));
    if (punched.is_error(ErrorCode::not_supported)) {
        close(file);
        GTEST_SKIP() << "the file system punches no holes";
    }
    ASSERT_TRUE(punched.has_value());
    EXPECT_EQ(support::read_file(directory_.file("data"), block, block), std::string(block, '\0'));
    std::array<Extent, 8> found{};
    Outcome<uint32_t> extents;
    loop.extents(extents.completion,
                 {.file = file, .offset = 0, .size = 3 * block, .extents = found},
                 extents.callback());
    ASSERT_TRUE(run_until_done(extents));
    ASSERT_TRUE(extents.has_value());
    uint64_t size = 0;
    for (uint32_t index = 0; index < extents.value(); ++index) size += found[index].size;
    EXPECT_EQ(size, 3 * block);
    close(file);
}

TEST_P(LoopFiles, AZeroedRangeReadsAsZeros) {
    support::write_file(directory_.file("data"), support::pattern(16'384, 2));
    const Fd file = open(directory_.file("data"), O_RDWR);
    Outcome<Ok> zeroed;
    loop.zero_range(zeroed.completion, {.file = file, .offset = 4096, .size = 4096},
                    zeroed.callback());
    ASSERT_TRUE(run_until_done(zeroed));
    if (!zeroed.is_error(ErrorCode::not_supported)) {
        ASSERT_TRUE(zeroed.has_value());
        EXPECT_EQ(support::read_file(directory_.file("data"), 4096, 4096), std::string(4096, '\0'));
    }
    close(file);
}

// Records the order in which syncs come back.
struct OrderedSync {
    std::vector<size_t>* order;
    size_t number;
    Completion completion;
    void done(Result<Ok> result) {
        EXPECT_TRUE(result);
        order->push_back(number);
    }
};

TEST_P(LoopFiles, SyncsOfOneFileRunInOrder) {
    constexpr size_t count = 50;
    const Fd file = open(directory_.file("data"), O_CREAT | O_RDWR);
    std::vector<size_t> order;
    std::deque<OrderedSync> syncs;
    for (size_t number = 0; number < count; ++number) {
        OrderedSync& sync = syncs.emplace_back();
        sync.order = &order;
        sync.number = number;
        loop.sync(sync.completion, {.file = file}, bind<&OrderedSync::done>(&sync));
    }
    ASSERT_TRUE(run_until([&] { return order.size() == count; }));
    for (size_t number = 0; number < count; ++number) EXPECT_EQ(order[number], number);
    close(file);
}

TEST_P(LoopFiles, ASyncThatWaitsBehindAnotherCanBeCancelled) {
    const Fd file = open(directory_.file("data"), O_CREAT | O_RDWR);
    std::array<Outcome<Ok>, 3> syncs;
    for (Outcome<Ok>& sync : syncs) {
        loop.sync(sync.completion, {.file = file}, sync.callback());
    }
    loop.cancel(syncs[1].completion);
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    EXPECT_TRUE(syncs[0].has_value());
    EXPECT_TRUE(syncs[1].is_error(ErrorCode::canceled));
    EXPECT_TRUE(syncs[2].has_value());
    close(file);
}

// Opening a FIFO for reading lasts until somebody opens it for writing: that holds one operation
// in the kernel, and, where a single worker performs them, the other in the queue behind it.
TEST_P(LoopFiles, ACancelReachesWhatWaitsAndNotWhatRuns) {
    support::write_file(directory_.file("data"), "12345678");
    const std::string fifo = directory_.file("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    Loop narrow(make_backend({.disk_workers = 1}));
    const Fd file = static_cast<Fd>(::open(directory_.file("data").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<Extent, 1> extents{};
    Outcome<Fd> opening;
    Outcome<uint32_t> searching;
    narrow.open(opening.completion, {.path = fifo.c_str(), .flags = O_RDONLY, .mode = 0},
                opening.callback());
    narrow.extents(searching.completion, {.file = file, .offset = 0, .size = 8, .extents = extents},
                   searching.callback());
    int writer = -1;
    const auto has_reader = [&] {
        writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        return writer >= 0;
    };
    narrow.tick();
    narrow.cancel(searching.completion);
    narrow.tick();
    EXPECT_TRUE(searching.is_error(ErrorCode::canceled));
    EXPECT_FALSE(opening.is_done());
    EXPECT_TRUE(run_until(has_reader));
    narrow.cancel(opening.completion);
    while (narrow.in_flight_count() > 0) narrow.run_for_ns(millisecond_ns);
    EXPECT_EQ(opening.call_count(), 1u);
    EXPECT_EQ(searching.call_count(), 1u);
    ASSERT_TRUE(opening.has_value()) << "the descriptor is handed over although it was cancelled";
    ::close(static_cast<int>(opening.value()));
    ::close(writer);
    ::close(static_cast<int>(file));
}

// Rule 8: closing a file may write to its disk. The only worker is held by a FIFO, so that a close
// that ends before it is released ran on the loop's thread.
TEST_P(LoopFiles, AFileIsNotClosedOnTheThreadOfTheLoop) {
    support::write_file(directory_.file("data"), "12345678");
    const std::string fifo = directory_.file("fifo");
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    Loop narrow(make_backend({.disk_workers = 1}));
    const Fd file = static_cast<Fd>(::open(directory_.file("data").c_str(), O_RDWR | O_CLOEXEC));
    Buffer buffer(8);
    Outcome<uint32_t> reading;
    Outcome<Fd> opening;
    Outcome<Ok> closing;
    narrow.read(reading.completion, {.file = file, .buffer = buffer.bytes(), .offset = 0},
                reading.callback());
    while (!reading.is_done()) narrow.run_for_ns(millisecond_ns);
    narrow.open(opening.completion, {.path = fifo.c_str(), .flags = O_RDONLY, .mode = 0},
                opening.callback());
    narrow.tick();
    narrow.close(closing.completion, {.fd = file}, closing.callback());
    for (int turn = 0; turn < 3; ++turn) narrow.tick();
    EXPECT_FALSE(closing.is_done());
    int writer = -1;
    EXPECT_TRUE(run_until([&] {
        writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        return writer >= 0;
    }));
    while (narrow.in_flight_count() > 0) narrow.run_for_ns(millisecond_ns);
    EXPECT_TRUE(closing.has_value());
    ::close(static_cast<int>(opening.value()));
    ::close(writer);
}

}  // namespace
}  // namespace blockd::io
