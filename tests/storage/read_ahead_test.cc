#include "storage/read_ahead.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr uint64_t block = cache_block_size;

class ReadAheadTest : public ::testing::Test {
  protected:
    ReadAheadTest() {
        for (size_t at = 0; at < test_disk_size; ++at) {
            world_.backend.bytes()[at] = std::byte(at / block);
        }
    }

    TestRequest& start(uint64_t offset, uint64_t size) {
        requests_.push_back(world_.start(DiskCommand::read, offset, size));
        world_.tick();
        return *requests_.back();
    }
    // Of a request that is done.
    void end(TestRequest& request) {
        ASSERT_TRUE(request.is_ok());
        ASSERT_EQ(request.payload()[0], std::byte(request.request.offset / block));
        world_.release(request);
    }
    void finish_all() {
        while (world_.backend.pending_count() > 0) {
            world_.backend.finish(0);
            world_.tick();
        }
        world_.tick();
    }
    // Reads in sequence from `offset` on until a read ahead is on its way. Where the next begins.
    uint64_t begin_sequence(uint64_t offset) {
        for (uint32_t count = 0; count < read_ahead_reads_min; ++count) {
            TestRequest& request = start(offset, block);
            world_.backend.finish(world_.backend.pending_count() > 1 ? 1 : 0);
            world_.tick();
            end(request);
            offset += block;
        }
        return offset;
    }
    bool is_pending(uint64_t offset, uint64_t size) const {
        for (size_t index = 0; index < world_.backend.pending_count(); ++index) {
            const auto record = world_.backend.pending(index);
            if (record.offset == offset && record.size == size) return true;
        }
        return false;
    }
    bool stop() { return world_.disk.stop_reading_ahead(io::bind<&StopNote::stopped>(&note_)); }

    struct StopNote {
        void stopped(Result<Ok>) { is_stopped = true; }
        bool is_stopped = false;
    };

    DiskWorld world_{
        {.size = test_disk_size, .alignment = 512, .hole_alignment = 4096, .is_manual = true},
        {},
        0,
        cache_size_min};
    std::vector<std::unique_ptr<TestRequest>> requests_;
    StopNote note_;
};

TEST_F(ReadAheadTest, ASequenceIsReadOn) {
    TestRequest& first = start(0, block);
    TestRequest& second = start(block, block);
    EXPECT_EQ(world_.backend.pending_count(), 2u) << "two reads are no sequence";
    TestRequest& third = start(2 * block, block);
    EXPECT_EQ(world_.backend.pending_count(), 4u);
    EXPECT_TRUE(is_pending(3 * block, read_ahead_size));
    finish_all();
    for (TestRequest* request : {&first, &second, &third}) end(*request);
}

TEST_F(ReadAheadTest, WhatIsOnItsWayIsWaitedForAndNotReadTwice) {
    const uint64_t next = begin_sequence(0);
    ASSERT_EQ(world_.backend.pending_count(), 1u);
    TestRequest& waiting = start(next, block);
    TestRequest& unaligned = start(next + block + 100, 1000);
    EXPECT_EQ(world_.backend.pending_count(), 1u);
    finish_all();
    end(waiting);
    end(unaligned);
    EXPECT_EQ(world_.disk.cache_hit_count(), 0u) << "they waited for the disk";
}

TEST_F(ReadAheadTest, ItStaysAheadAndNoFurtherThanItsDistance) {
    const uint64_t next = begin_sequence(0);
    finish_all();
    EXPECT_TRUE(start(next, block).is_ok());
    for (uint64_t begun = 0; world_.backend.pending_count() > 0; ++begun) {
        ASSERT_LT(begun, 10u);
        finish_all();
    }
    uint64_t ahead = 0;
    for (const auto& record : world_.backend.records()) {
        ahead = std::max(ahead, record.offset + record.size);
    }
    EXPECT_GE(ahead, next + read_ahead_distance_max);
    EXPECT_LE(ahead, next + block + read_ahead_distance_max + read_ahead_size);
    end(*requests_.back());
}

TEST_F(ReadAheadTest, ItEndsWithTheDisk) {
    const uint64_t next = begin_sequence(test_disk_size - 8 * block);
    EXPECT_TRUE(is_pending(next, test_disk_size - next));
    finish_all();
    for (uint64_t offset = next; offset < test_disk_size; offset += block) {
        TestRequest& request = start(offset, block);
        EXPECT_EQ(world_.backend.pending_count(), 0u);
        end(request);
    }
}

TEST_F(ReadAheadTest, RandomReadsAreNotReadOn) {
    for (uint64_t count = 0; count < 100; ++count) {
        TestRequest& request = start(count * 7919 % 1000 * block, block);
        EXPECT_LE(world_.backend.pending_count(), 1u);
        finish_all();
        end(request);
    }
}

TEST_F(ReadAheadTest, ASequenceSurvivesOtherReads) {
    uint64_t next = begin_sequence(0);
    finish_all();
    for (uint64_t count = 0; count < 50; ++count) {
        TestRequest& other = start((300 + count * 7919 % 700) * block, block);
        finish_all();
        end(other);
        TestRequest& request = start(next, block);
        EXPECT_TRUE(request.is_ok()) << "it was there already";
        finish_all();
        end(request);
        next += block;
    }
}

TEST_F(ReadAheadTest, WhatFailsAheadIsReadByWhoAsksForIt) {
    const uint64_t next = begin_sequence(0);
    world_.backend.bad_bytes = {next + 100 * 512};
    TestRequest& good = start(next, block);
    world_.backend.fail(0, EIO);
    world_.tick();
    EXPECT_TRUE(is_pending(next, block)) << "only what it wants";
    finish_all();
    end(good);
}

TEST_F(ReadAheadTest, AWriteMeanwhileIsNotUndone) {
    const uint64_t next = begin_sequence(0);
    auto writer = world_.write(next, block, std::byte(0xee));
    world_.tick();
    world_.backend.finish(world_.pending_index(OperationKind::write));
    world_.tick();
    world_.tick();
    ASSERT_TRUE(writer->is_ok());
    world_.release(*writer);
    finish_all();  // The read ahead, which may have seen what was there before.
    TestRequest& request = start(next, block);
    finish_all();
    ASSERT_TRUE(request.is_ok());
    EXPECT_EQ(request.payload()[0], std::byte(0xee));
    world_.release(request);
}

TEST_F(ReadAheadTest, StopWaitsForTheLastOneAndNoneFollows) {
    const uint64_t next = begin_sequence(0);
    EXPECT_FALSE(stop());
    world_.tick();
    EXPECT_FALSE(note_.is_stopped);
    finish_all();
    EXPECT_TRUE(note_.is_stopped);
    TestRequest& request = start(next, block);
    EXPECT_EQ(world_.backend.pending_count(), 0u);
    end(request);
    EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace blockd::storage
