// Reads of a disk that has bad blocks.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;

constexpr uint64_t block_size = 4096;

std::vector<std::byte> random_bytes(std::mt19937& random, size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = std::byte(random());
    return bytes;
}

TEST(DiskReadRetry, FindsTheBlockThatCannotBeRead) {
    const uint32_t seed = std::random_device()();
    std::mt19937 random(seed);
    for (const uint32_t alignment : {1u, 512u, 4096u, 16'384u}) {
        DiskWorld world({.size = test_disk_size, .alignment = alignment});
        for (int round = 0; round < 50; ++round) {
            const uint64_t offset = random() % (test_disk_size - 1);
            const uint64_t size = 1 + random() % (test_disk_size - offset);
            const uint64_t bad = offset + random() % size;
            world.backend.bad_bytes = {bad};
            const size_t before = world.backend.count(OperationKind::read);
            auto read = world.start(DiskCommand::read, offset, size);
            const size_t pieces = read->request.buffers.count();
            world.settle();
            ASSERT_TRUE(read->failed_with(ErrorCode::disk)) << "seed " << seed;
            ASSERT_TRUE(read->request.failed_offset()) << "seed " << seed;
            const uint64_t found = *read->request.failed_offset();
            EXPECT_GE(found, offset) << "seed " << seed;
            EXPECT_LE(found, bad) << "seed " << seed;
            EXPECT_LT(bad - found, std::max<uint64_t>(block_size, alignment)) << "seed " << seed;
            EXPECT_LE(world.backend.count(OperationKind::read) - before, pieces + 9);
            world.release(*read);
        }
    }
}

TEST(DiskReadRetry, OfSeveralBadBlocksTheFirstIsTold) {
    DiskWorld world({.size = test_disk_size, .alignment = block_size});
    world.backend.bad_bytes = {3'500'000, 2'100'000, 2'900'000};
    auto read = world.start(DiskCommand::read, 0, test_disk_size);
    world.settle();
    EXPECT_EQ(read->request.failed_offset(), 2'100'000 / block_size * block_size);
    world.release(*read);
}

TEST(DiskReadRetry, WhatCanBeReadInPartsIsRead) {
    std::mt19937 random(1);
    for (const uint64_t size : {block_size, 2 * block_size, 5 * block_size + 7}) {
        DiskWorld world({.size = test_disk_size, .alignment = 512});
        world.backend.bytes() = random_bytes(random, test_disk_size);
        world.backend.good_read_max = block_size;
        auto read = world.start(DiskCommand::read, 1000, size);
        world.settle();
        EXPECT_TRUE(read->is_ok());
        EXPECT_FALSE(read->request.failed_offset());
        const std::vector<std::byte> payload = read->payload();
        EXPECT_TRUE(
            std::ranges::equal(payload, std::span(world.backend.bytes()).subspan(1000, size)));
        world.release(*read);
    }
}

TEST(DiskReadRetry, OnlyThePieceThatFailedIsReadAgain) {
    DiskWorld world({.size = test_disk_size, .alignment = block_size, .is_manual = true});
    auto read = world.start(DiskCommand::read, 0, 3 * buffer_size_max);
    world.tick();
    ASSERT_EQ(world.backend.pending_count(), 3u);
    world.backend.fail(1, EIO);
    world.backend.finish(0);
    world.backend.finish(0);
    for (uint64_t begin = buffer_size_max; begin < 2 * buffer_size_max;) {
        world.tick();
        ASSERT_EQ(world.backend.pending_count(), 1u);
        EXPECT_EQ(world.backend.pending(0).offset, begin);
        begin += world.backend.pending(0).size;
        world.backend.finish(0);
    }
    world.settle();
    EXPECT_TRUE(read->is_ok());
    world.release(*read);
}

TEST(DiskReadRetry, GivesUpAfterSoManyProbesWithoutAnOffset) {
    DiskWorld world({.size = test_disk_size, .alignment = block_size});
    world.backend.good_read_max = block_size;
    auto read = world.start(DiskCommand::read, 0, buffer_size_max);
    world.settle();
    EXPECT_TRUE(read->failed_with(ErrorCode::disk));
    EXPECT_FALSE(read->request.failed_offset());
    EXPECT_EQ(world.backend.count(OperationKind::read), 1 + read_probes_max);
    world.release(*read);
}

TEST(DiskReadRetry, ARequestThatIsUsedAgainForgetsItsOffset) {
    DiskWorld world({.size = test_disk_size, .alignment = block_size});
    world.backend.bad_bytes = {0};
    auto read = world.start(DiskCommand::read, 0, block_size);
    world.settle();
    ASSERT_TRUE(read->request.failed_offset());
    world.backend.bad_bytes.clear();
    world.disk.submit(read->request);
    world.settle();
    EXPECT_TRUE(read->is_ok());
    EXPECT_FALSE(read->request.failed_offset());
    world.release(*read);
}

}  // namespace
}  // namespace blockd::storage
