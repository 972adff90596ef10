#include "blockctl/copy.h"

#include <gtest/gtest.h>

#include <memory>

#include "blockctl/memory_endpoint.h"

namespace blockd::blockctl {
namespace {

using Kind = MemoryEndpoint::Fault::Kind;

class CopyTest : public testing::Test {
  protected:
    CopyTest() { RecordProperty("seed", std::to_string(seed)); }

    void TearDown() override {
        if (HasFailure()) ADD_FAILURE() << "seed " << seed;
    }

    // Both sides of that many bytes: a source of random data and holes, a target full of 0xee.
    void make(uint64_t size, uint64_t run_size = 3000) {
        source = std::make_unique<MemoryEndpoint>("source", size, random);
        target = std::make_unique<MemoryEndpoint>("target", size, random);
        bool is_hole = random() % 2 == 0;
        for (uint64_t at = 0; at < size; ++at) {
            if (random() % run_size == 0) is_hole = !is_hole;
            source->holes[at] = is_hole;
            if (!is_hole) source->bytes[at] = std::byte(1 + random() % 255);
        }
        std::fill(target->bytes.begin(), target->bytes.end(), std::byte(0xee));
    }

    void make_file_copy() {
        make(1 << 20);
        source->settings().can_report_extents = false;
        target->settings().is_server = false;
    }

    void run(Copy& copy) {
        copy.start();
        run_on(copy);
    }

    void run_on(Copy& copy) {
        while (!copy.is_done()) {
            MemoryEndpoint& side = random() % 2 == 0 ? *source : *target;
            if (!side.step()) {
                ASSERT_FALSE(source->is_idle() && target->is_idle()) << "the copy stands still";
            }
        }
        EXPECT_TRUE(source->is_idle());
        EXPECT_TRUE(target->is_idle());
    }

    void expect_copied() {
        EXPECT_TRUE(std::equal(source->bytes.begin(), source->bytes.end(), target->bytes.begin()));
    }

    const uint32_t seed = std::random_device()();
    std::mt19937 random{seed};
    std::unique_ptr<MemoryEndpoint> source;
    std::unique_ptr<MemoryEndpoint> target;
};

constexpr Copy::Options small_requests = {.requests = 7, .request_size = 4096};

// Nanoseconds of the copies' clock where a test wants one of its own.
uint64_t clock_ns = 0;

constexpr Copy::Options file_copy = {
    .requests = 100, .request_size = 512, .sparse_size = 0, .now_ns = [] { return clock_ns; }};

TEST_F(CopyTest, TargetEqualsSourceWhateverTheEndsCanDo) {
    for (int round = 0; round < 150; ++round) {
        make(random() % 100'000);
        source->settings().can_report_extents = random() % 2 == 0;
        source->settings().alignment = 1u << random() % 10;
        target->settings().alignment = 1u << random() % 10;
        target->settings().can_zero = random() % 2 == 0;
        target->settings().writes_at_once = 1 + uint32_t(random() % 4);
        target->settings().request_size_max = 1024u << random() % 5;
        if (random() % 2 == 0) {
            target->settings().reads_as_zeros = true;
            std::fill(target->bytes.begin(), target->bytes.end(), std::byte(0));
        }
        Copy copy(*source, *target,
                  {.requests = 1 + uint32_t(random() % 100),
                   .request_size = 512u << random() % 4,
                   .sparse_size = random() % 2 == 0 ? 0 : 512u});
        run(copy);
        EXPECT_FALSE(copy.failure());
        EXPECT_EQ(copy.size_done(), source->info().size);
        expect_copied();
        if (HasFailure()) return;
    }
}

// A clock that stands: no piece waits, so that the window grows as far as is allowed.
TEST_F(CopyTest, KeepsAsManyRequestsInFlightAsAskedAndNoMore) {
    for (const uint32_t requests : {1u, 7u, 100u}) {
        make_file_copy();
        Copy::Options options = file_copy;
        options.requests = requests;
        Copy copy(*source, *target, options);
        copy.start();
        while (!copy.is_done()) ASSERT_TRUE(target->step() || source->step());
        EXPECT_EQ(source->pending_max(), requests);
        EXPECT_LE(target->pending_max(), requests);
    }
}

// Each write takes a while, and none begins before the last one ended.
TEST_F(CopyTest, ReadsNoFurtherAheadThanASlowTargetNeeds) {
    for (const uint32_t writes_at_once : {1u, 1000u}) {
        make_file_copy();
        target->settings().writes_at_once = writes_at_once;
        Copy copy(*source, *target, file_copy);
        copy.start();
        uint64_t ahead_max = 0;
        while (!copy.is_done()) {
            while (source->step()) {
            }
            const uint64_t ahead = source->size_read() - target->size_written();
            if (!target->step()) continue;
            clock_ns += 1000;
            const bool is_settled = target->size_written() > copy.size() / 2;
            if (is_settled) ahead_max = std::max(ahead_max, ahead);
        }
        EXPECT_GT(ahead_max, 0u);
        EXPECT_LE(ahead_max, 8 * CopyWindow::size_min * file_copy.request_size);
        expect_copied();
    }
}

// What the target zeroes is not counted by the window, which is small here: no write has ended.
TEST_F(CopyTest, ZeroedPiecesPassTheWindow) {
    make(1 << 20, 1'000'000'000);
    for (uint64_t at = 0; at < source->bytes.size(); ++at) {
        source->holes[at] = at / file_copy.request_size % 2 == 0;
        source->bytes[at] = std::byte(source->holes[at] ? 0 : 9);
    }
    target->settings().can_zero = true;
    Copy copy(*source, *target, file_copy);
    copy.start();
    while (source->step()) {
    }
    EXPECT_GT(target->pending_max(), CopyWindow::size_min);
    run_on(copy);
    expect_copied();
}

TEST_F(CopyTest, ZerosThatAreWrittenFillTheWindowWhichGrows) {
    make(1 << 20, 1'000'000'000);
    std::fill(source->holes.begin(), source->holes.end(), true);
    std::fill(source->bytes.begin(), source->bytes.end(), std::byte(0));
    target->settings().can_zero = false;
    Copy copy(*source, *target, file_copy);
    run(copy);
    EXPECT_EQ(target->pending_max(), file_copy.requests);
    expect_copied();
}

// Deep in the pile of what waits nothing recurses: neither where the first write fails, nor where
// all that waits turns out to be zeros.
TEST_F(CopyTest, AnyNumberOfPiecesMayWaitForOneWrite) {
    for (const bool fails : {false, true}) {
        make(60'000 * 8, 1'000'000'000);
        std::fill(source->bytes.begin(), source->bytes.end(), std::byte(fails ? 9 : 0));
        source->bytes[0] = std::byte(9);
        source->settings().can_report_extents = false;
        target->settings().reads_as_zeros = true;
        std::fill(target->bytes.begin(), target->bytes.end(), std::byte(0));
        target->settings().writes_at_once = 1;
        if (fails) target->fault = {.kind = Kind::write, .offset = 0};
        Copy copy(*source, *target,
                  {.requests = 60'000, .request_size = 8, .sparse_size = 8, .now_ns = [] {
                       return clock_ns;
                   }});
        copy.start();
        while (!copy.is_done()) ASSERT_TRUE(source->step() || target->step());
        EXPECT_EQ(bool(copy.failure()), fails);
        if (!fails) expect_copied();
    }
}

TEST_F(CopyTest, GivesTheTargetNoMoreWritesAtOnceThanItTakes) {
    make_file_copy();
    target->settings().writes_at_once = 3;
    Copy copy(*source, *target, file_copy);
    copy.start();
    while (!copy.is_done()) ASSERT_TRUE(source->step() || target->step());
    EXPECT_EQ(target->pending_max(), 3u);
    expect_copied();
}

TEST_F(CopyTest, HolesAreZeroedNotWritten) {
    make(1 << 20, 100'000);
    Copy copy(*source, *target, small_requests);
    run(copy);
    const auto holes = uint64_t(std::count(source->holes.begin(), source->holes.end(), true));
    EXPECT_EQ(target->size_zeroed(), holes);
    EXPECT_EQ(target->size_written(), source->info().size - holes);
}

TEST_F(CopyTest, FreshTargetGetsNoZerosAtAll) {
    make(1 << 20, 100'000);
    target->settings().reads_as_zeros = true;
    std::fill(target->bytes.begin(), target->bytes.end(), std::byte(0));
    Copy copy(*source, *target, small_requests);
    run(copy);
    expect_copied();
    EXPECT_EQ(target->size_zeroed(), 0u);
    EXPECT_LT(target->size_written(), source->info().size);
}

TEST_F(CopyTest, FindsZerosWhereSourceCannotTellThem) {
    make(1 << 20, 1'000'000'000);
    std::fill(source->bytes.begin(), source->bytes.end(), std::byte(9));
    std::fill_n(source->bytes.begin() + 8192, 65'536, std::byte(0));
    source->settings().can_report_extents = false;
    Copy copy(*source, *target, {.requests = 4, .request_size = 16'384, .sparse_size = 4096});
    run(copy);
    expect_copied();
    EXPECT_EQ(target->size_zeroed(), 65'536u);
}

TEST_F(CopyTest, SparseSizeIsRoundedUpToWholeBlocksOfTheTarget) {
    make(1 << 20, 500);
    source->settings().can_report_extents = false;
    target->settings().alignment = 512;
    Copy copy(*source, *target, {.requests = 4, .request_size = 16'384, .sparse_size = 768});
    run(copy);
    expect_copied();
    EXPECT_GT(target->size_zeroed(), 0u);
}

TEST_F(CopyTest, SparseSizeOfZeroWritesEverything) {
    make(1 << 20);
    source->settings().can_report_extents = false;
    Copy copy(*source, *target, {.requests = 4, .request_size = 16'384, .sparse_size = 0});
    run(copy);
    expect_copied();
    EXPECT_EQ(target->size_written(), source->info().size);
}

TEST_F(CopyTest, SourceThatRefusesBlockStatusIsSearchedForZeros) {
    make(1 << 20, 100'000);
    source->fault = {.kind = Kind::extents, .offset = 0, .code = ErrorCode::not_supported};
    Copy copy(*source, *target, small_requests);
    run(copy);
    EXPECT_FALSE(copy.failure());
    expect_copied();
}

TEST_F(CopyTest, FlushComesOnceAndLast) {
    make(100'000);
    Copy copy(*source, *target, small_requests);
    run(copy);
    EXPECT_EQ(target->flush_count(), 1u);
    EXPECT_TRUE(target->was_flushed_last());
}

TEST_F(CopyTest, NoFlushMeansNone) {
    make(100'000);
    Copy copy(*source, *target, {.requests = 3, .request_size = 4096, .flush = FinalFlush::no});
    run(copy);
    EXPECT_EQ(target->flush_count(), 0u);
    expect_copied();
}

TEST_F(CopyTest, EmptySourceIsDoneAfterTheFlush) {
    make(0);
    Copy copy(*source, *target, small_requests);
    run(copy);
    EXPECT_EQ(target->flush_count(), 1u);
}

TEST_F(CopyTest, LargerTargetKeepsWhatLiesBehind) {
    make(50'000);
    target = std::make_unique<MemoryEndpoint>("target", 60'000, random);
    std::fill(target->bytes.begin(), target->bytes.end(), std::byte(0xee));
    Copy copy(*source, *target, small_requests);
    run(copy);
    expect_copied();
    EXPECT_TRUE(std::all_of(target->bytes.begin() + 50'000, target->bytes.end(),
                            [](std::byte byte) { return byte == std::byte(0xee); }));
}

// Goal: a copy that met an error says so; a tool that ignores one corrupts silently.
TEST_F(CopyTest, EveryKindOfFailureEndsTheCopyWithItsWords) {
    struct Case {
        bool is_source;
        Kind kind;
        const char* text;
    };
    for (const Case& expected :
         {Case{true, Kind::read,
               "cannot read 4096 bytes at offset 49152 of "
               "source: the test said so"},
          Case{true, Kind::extents, "of source: the test said so"},
          Case{false, Kind::write,
               "cannot write 4096 bytes at offset 49152 "
               "of target: the test said so"},
          Case{false, Kind::flush, "cannot flush target: the test said so"}}) {
        make(100'000);
        std::fill(source->holes.begin(), source->holes.end(), false);
        std::fill(source->bytes.begin(), source->bytes.end(), std::byte(9));
        source->settings().can_report_extents = expected.kind == Kind::extents;
        MemoryEndpoint& faulty = expected.is_source ? *source : *target;
        faulty.fault = {.kind = expected.kind,
                        .offset = expected.kind == Kind::extents ? 0u : 50'000u};
        Copy copy(*source, *target, small_requests);
        run(copy);
        ASSERT_TRUE(copy.failure());
        EXPECT_NE(copy.failure()->text.find(expected.text), std::string::npos)
            << copy.failure()->text;
        EXPECT_TRUE(copy.failure()->is_server);
    }
}

TEST_F(CopyTest, FailureOfEitherSideEndsACopyIntoAFile) {
    for (const Kind kind : {Kind::read, Kind::write}) {
        make_file_copy();
        target->settings().writes_at_once = 1;
        (kind == Kind::read ? *source : *target).fault = {.kind = kind, .offset = 500'000};
        Copy copy(*source, *target, file_copy);
        run(copy);
        ASSERT_TRUE(copy.failure());
        EXPECT_EQ(copy.failure()->is_server, kind == Kind::read);
        EXPECT_LT(copy.size_done(), copy.size());
    }
}

TEST_F(CopyTest, FailedZeroEndsTheCopy) {
    make(100'000);
    std::fill(source->holes.begin(), source->holes.end(), true);
    target->fault = {.kind = Kind::zero, .offset = 50'000};
    Copy copy(*source, *target, small_requests);
    run(copy);
    ASSERT_TRUE(copy.failure());
    EXPECT_EQ(copy.failure()->text.rfind("cannot zero ", 0), 0u);
    EXPECT_EQ(target->flush_count(), 0u);
}

}  // namespace
}  // namespace blockd::blockctl
