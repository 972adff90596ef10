#include <gtest/gtest.h>

#include <random>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr uint64_t block = cache_block_size;
constexpr std::byte mark_a{0xaa};
constexpr std::byte mark_b{0xbb};

class CachedDisk : public ::testing::Test {
  protected:
    explicit CachedDisk(bool is_manual = false)
        : world_({.size = test_disk_size,
                  .alignment = 512,
                  .hole_alignment = 4096,
                  .is_manual = is_manual},
                 {}, 0, cache_size_min) {}

    std::vector<std::byte> read(uint64_t offset, uint64_t size) {
        auto request = world_.start(DiskCommand::read, offset, size);
        world_.settle();
        EXPECT_TRUE(request->is_ok());
        std::vector<std::byte> bytes = request->payload();
        world_.release(*request);
        return bytes;
    }
    void write(uint64_t offset, uint64_t size, std::byte mark) {
        auto request = world_.write(offset, size, mark);
        world_.settle();
        EXPECT_TRUE(request->is_ok());
        world_.release(*request);
    }
    size_t reads() const { return world_.backend.count(OperationKind::read); }

    DiskWorld world_;
};

// The disk does nothing before the test says so.
class CachedManualDisk : public CachedDisk {
  protected:
    CachedManualDisk() : CachedDisk(true) {}

    void finish(OperationKind kind) {
        world_.backend.finish(world_.pending_index(kind));
        world_.tick();
        world_.tick();
    }
    void finish_all() {
        while (!world_.is_idle()) {
            if (world_.backend.pending_count() > 0) world_.backend.finish(0);
            world_.tick();
        }
    }
    bool is_kept(uint64_t offset) {
        const size_t before = reads();
        auto request = world_.start(DiskCommand::read, offset, 1);
        world_.tick();
        const bool is_hit = reads() == before;
        finish_all();
        world_.release(*request);
        return is_hit;
    }
};

TEST_F(CachedDisk, WhatWasReadIsReadOnce) {
    world_.backend.bytes()[5000] = mark_a;
    EXPECT_EQ(read(5000, 1)[0], mark_a);
    EXPECT_EQ(read(5000, 1)[0], mark_a);
    EXPECT_EQ(read(4096, 4096)[904], mark_a) << "the block around it is there";
    EXPECT_EQ(reads(), 1u);
    EXPECT_EQ(world_.disk.cache_hit_count(), 2u);
    EXPECT_EQ(world_.disk.cache_miss_count(), 1u);
    EXPECT_EQ(world_.pool.used_size(), 0u);
}

TEST_F(CachedDisk, WhatWasWrittenIsNotReadFromTheDisk) {
    write(block, 2 * block, mark_a);
    EXPECT_EQ(read(block, 2 * block), std::vector<std::byte>(2 * block, mark_a));
    EXPECT_EQ(reads(), 0u);
    EXPECT_EQ(world_.backend.bytes()[block], mark_a) << "and it is on the disk";
}

TEST_F(CachedDisk, ABlockWrittenInPartIsReadAgain) {
    read(0, block);
    write(512, 512, mark_a);
    const size_t before = reads();
    const std::vector<std::byte> bytes = read(0, block);
    EXPECT_EQ(reads(), before + 1);
    EXPECT_EQ(bytes[511], std::byte(0));
    EXPECT_EQ(bytes[512], mark_a);
}

TEST_F(CachedDisk, RequestsPastTheBoundGoPastTheCache) {
    read(0, cache_request_size_max);
    read(0, cache_request_size_max);
    EXPECT_EQ(reads(), 1u);
    read(0, cache_request_size_max + 1);
    EXPECT_EQ(reads(), 2u);
    write(0, cache_request_size_max + 512, mark_a);
    EXPECT_EQ(read(0, 1)[0], mark_a) << "but what they write is forgotten";
    EXPECT_EQ(reads(), 3u);
}

TEST_F(CachedDisk, TrimsAndZeroesForget) {
    write(0, 4 * block, mark_a);
    for (const DiskCommand command : {DiskCommand::trim, DiskCommand::write_zeroes}) {
        auto request = world_.start(command, 0, block);
        world_.settle();
        EXPECT_TRUE(request->is_ok());
        world_.release(*request);
        EXPECT_EQ(read(0, block), std::vector<std::byte>(block));
        EXPECT_EQ(read(block, 1)[0], mark_a);
        write(0, block, mark_b);
    }
}

TEST_F(CachedDisk, AfterAFailedSyncTheDiskIsAsked) {
    write(0, block, mark_a);
    world_.backend.fails_syncs = true;
    auto flush = world_.start(DiskCommand::flush, 0, 0);
    world_.settle();
    EXPECT_TRUE(flush->failed_with(ErrorCode::disk));
    std::ranges::fill(world_.backend.bytes(), mark_b);  // What the system did with the data.
    EXPECT_EQ(read(0, 1)[0], mark_b);
    EXPECT_EQ(read(0, 1)[0], mark_b);
    EXPECT_EQ(reads(), 2u);
}

TEST_F(CachedDisk, AFailedReadIsNotKept) {
    world_.backend.bad_bytes = {100};
    for (int round = 0; round < 2; ++round) {
        auto request = world_.start(DiskCommand::read, 0, block);
        world_.settle();
        EXPECT_TRUE(request->failed_with(ErrorCode::disk));
        world_.release(*request);
    }
}

TEST_F(CachedManualDisk, AReadThatAWriteOvertookIsNotKept) {
    auto reader = world_.start(DiskCommand::read, 0, block);
    world_.tick();
    auto writer = world_.write(0, 512, mark_a);
    world_.tick();
    finish(OperationKind::read);
    finish(OperationKind::write);
    EXPECT_TRUE(reader->is_ok() && writer->is_ok());
    EXPECT_FALSE(is_kept(0)) << "it may hold what was there before the write";
    EXPECT_TRUE(is_kept(0));
    world_.release(*reader);
    world_.release(*writer);
}

TEST_F(CachedManualDisk, AReadThatBeganDuringAWriteIsNotKept) {
    auto writer = world_.write(512, 512, mark_a);
    world_.tick();
    auto reader = world_.start(DiskCommand::read, 0, 512);
    world_.tick();
    finish(OperationKind::read);
    finish(OperationKind::write);
    EXPECT_TRUE(reader->is_ok() && writer->is_ok());
    EXPECT_FALSE(is_kept(0)) << "the write was of another sector of the same block";
    world_.release(*reader);
    world_.release(*writer);
}

TEST_F(CachedManualDisk, AFailedWriteLeavesNothing) {
    auto writer = world_.write(0, block, mark_a);
    world_.tick();
    world_.backend.fail(world_.pending_index(OperationKind::write), EIO);
    world_.tick();
    EXPECT_TRUE(writer->failed_with(ErrorCode::disk));
    EXPECT_FALSE(is_kept(0));
    world_.release(*writer);
}

TEST_F(CachedManualDisk, WhatIsBeingSentKeepsItsBytes) {
    auto first = world_.write(0, block, mark_a);
    finish_all();
    auto reader = world_.start(DiskCommand::read, 0, block);
    world_.tick();
    ASSERT_TRUE(reader->is_ok());
    auto second = world_.write(0, block, mark_b);
    finish_all();
    EXPECT_EQ(reader->payload(), std::vector<std::byte>(block, mark_a));
    world_.release(*reader);
    EXPECT_TRUE(is_kept(0));
    world_.release(*first);
    world_.release(*second);
}

// Goal: with a cache a disk is the same array of bytes as without.
// Method: random commands on few blocks, several at a time, whose ends come in any order. Of each
// sector the model knows what it holds, and how many changes of it have begun; a read of a sector
// that nobody changed meanwhile has one answer.
class CachedDiskModel : public ::testing::Test {
  protected:
    static constexpr uint64_t sector_size = 512;
    static constexpr uint64_t sectors_count = 2 * cache_size_min / sector_size;
    static constexpr uint64_t never = UINT64_MAX;

    struct Sector {
        std::byte mark{0};
        uint64_t changes_begun = 0;
        bool is_changing = false;
    };
    struct Step {
        std::unique_ptr<TestRequest> request;
        std::byte mark{0};
        std::vector<uint64_t> changes_begun;  // Of each sector, when a read began.
    };

    std::span<Sector> sectors_of(const Step& step) {
        const DiskRequest& request = step.request->request;
        return std::span(sectors_).subspan(request.offset / sector_size,
                                           request.size / sector_size);
    }

    // Mostly of the first blocks, so that they overlap.
    void begin() {
        const uint64_t first =
            random_() % 4 == 0 ? random_() % (sectors_count - 16) : random_() % 64;
        const uint64_t size = (1 + random_() % 16) * sector_size;
        const auto command = random_() % 3 == 0 ? DiskCommand::write : DiskCommand::read;
        Step step = {.request = world_.make(command, first * sector_size, size),
                     .mark = std::byte(random_()),
                     .changes_begun = {}};
        const std::span<Sector> touched = sectors_of(step);
        const bool is_write = command == DiskCommand::write;
        if (is_write && std::ranges::any_of(touched, &Sector::is_changing)) {
            return world_.release(*step.request);  // Two writes at a time have no one answer.
        }
        if (is_write) step.request->fill(step.mark);
        for (Sector& sector : touched) {
            step.changes_begun.push_back(sector.is_changing ? never : sector.changes_begun);
            if (is_write) sector.is_changing = true;
            if (is_write) ++sector.changes_begun;
        }
        world_.disk.submit(step.request->request);
        steps_.push_back(std::move(step));
    }

    void end(Step& step) {
        ASSERT_TRUE(step.request->is_ok());
        const std::vector<std::byte> bytes = step.request->payload();
        size_t index = 0;
        for (Sector& sector : sectors_of(step)) {
            if (step.request->request.command == DiskCommand::write) {
                sector.mark = step.mark;
                sector.is_changing = false;
            } else if (sector.changes_begun == step.changes_begun[index]) {
                ASSERT_EQ(bytes[index * sector_size], sector.mark)
                    << "sector " << index << " at " << step.request->request.offset;
                ++reads_checked_;
            }
            ++index;
        }
        world_.release(*step.request);
    }

    void end_those_done() {
        for (size_t index = 0; index < steps_.size();) {
            if (steps_[index].request->is_done()) {
                ASSERT_NO_FATAL_FAILURE(end(steps_[index]));
                steps_.erase(steps_.begin() + ptrdiff_t(index));
            } else {
                ++index;
            }
        }
    }

    const uint64_t seed_ = std::random_device()();
    std::mt19937_64 random_{seed_};
    DiskWorld world_{{.size = sectors_count * sector_size,
                      .alignment = 512,
                      .hole_alignment = 4096,
                      .is_manual = true},
                     {},
                     0,
                     cache_size_min};
    std::vector<Sector> sectors_{sectors_count};
    std::vector<Step> steps_;
    uint64_t reads_checked_ = 0;
};

TEST_F(CachedDiskModel, IsAnArrayOfBytesUnderRequestsThatOverlap) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed_);
    for (int turn = 0; turn < 20'000; ++turn) {
        if (steps_.size() < 12) begin();
        if (random_() % 2 == 0 && world_.backend.pending_count() > 0) {
            world_.backend.finish(random_() % world_.backend.pending_count());
        }
        world_.tick();
        ASSERT_NO_FATAL_FAILURE(end_those_done());
    }
    while (!world_.is_idle()) {
        if (world_.backend.pending_count() > 0) world_.backend.finish(0);
        world_.tick();
    }
    ASSERT_NO_FATAL_FAILURE(end_those_done());
    EXPECT_TRUE(steps_.empty());
    EXPECT_GT(reads_checked_, 1000u);
    EXPECT_GT(world_.disk.cache_hit_count(), 1000u);
    EXPECT_EQ(world_.pool.used_size(), 0u);
}

}  // namespace
}  // namespace blockd::storage
