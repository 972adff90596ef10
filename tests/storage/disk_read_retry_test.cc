// Reads of a disk that has bad blocks.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "storage/disk_fixture.h"

namespace blockd::storage {
namespace {

using io::OperationKind;
using testing::MemoryBackend;

MemoryBackend::Options blocks_of(uint32_t alignment, uint64_t size = test_disk_size) {
    return {.size = size, .alignment = alignment, .hole_alignment = 4096};
}

std::vector<std::byte> random_bytes(std::mt19937& random, size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = std::byte(random());
    return bytes;
}

TEST(DiskReadRetry, FindsTheBlockThatCannotBeRead) {
    const uint32_t seed = std::random_device()();
    std::mt19937 random(seed);
    for (const uint32_t alignment : {1u, 512u, 4096u}) {
        DiskWorld world(blocks_of(alignment));
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
            EXPECT_EQ(read->request.failed_offset(),
                      std::max(offset, bad / read_block_size * read_block_size))
                << "seed " << seed;
            EXPECT_LE(world.backend.count(OperationKind::read) - before, pieces + 10);
            world.release(*read);
        }
    }
}

TEST(DiskReadRetry, ABlockThatLiesInTwoPiecesIsToldByItsBegin) {
    DiskWorld world(blocks_of(512));
    world.backend.bad_bytes = {(1 << 20) + 1024};
    auto read = world.start(DiskCommand::read, 512, 2 << 20);
    world.settle();
    EXPECT_EQ(read->request.failed_offset(), 1u << 20);
    world.release(*read);
}

TEST(DiskReadRetry, OfSeveralBadBlocksTheFirstIsTold) {
    DiskWorld world(blocks_of(4096));
    world.backend.bad_bytes = {3'500'000, 2'100'000, 2'900'000};
    auto read = world.start(DiskCommand::read, 0, test_disk_size);
    world.settle();
    EXPECT_EQ(read->request.failed_offset(), 2'100'000 / read_block_size * read_block_size);
    world.release(*read);
}

TEST(DiskReadRetry, WhatCanBeReadInPartsIsRead) {
    std::mt19937 random(1);
    for (const uint64_t size : {read_block_size, 2 * read_block_size, 5 * read_block_size + 7}) {
        DiskWorld world(blocks_of(512));
        world.backend.bytes() = random_bytes(random, test_disk_size);
        world.backend.good_read_max = read_block_size;
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
    MemoryBackend::Options options = blocks_of(4096);
    options.is_manual = true;
    DiskWorld world(options);
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

// As of a path that broke and came back.
TEST(DiskReadRetry, EveryPieceMayFailOnce) {
    MemoryBackend::Options options = blocks_of(4096, 16u << 20);
    options.is_manual = true;
    DiskWorld world(options);
    auto read = world.start(DiskCommand::read, 0, 12u << 20);
    world.tick();
    ASSERT_EQ(world.backend.pending_count(), 12u);
    while (world.backend.pending_count() > 0) world.backend.fail(0, EIO);
    while (!read->is_done()) {
        world.tick();
        while (world.backend.pending_count() > 0) world.backend.finish(0);
    }
    EXPECT_TRUE(read->is_ok());
    world.release(*read);
}

TEST(DiskReadRetry, GivesUpAfterSoManyFailuresWithoutAnOffset) {
    for (const uint32_t failures : {read_retry_failures_max - 1, read_retry_failures_max}) {
        MemoryBackend::Options options = blocks_of(4096);
        options.is_manual = true;
        DiskWorld world(options);
        auto read = world.start(DiskCommand::read, 0, buffer_size_max);
        world.tick();
        world.backend.fail(0, EIO);
        for (uint32_t failed = 0; !read->is_done();) {
            world.tick();
            if (world.backend.pending_count() == 0) continue;
            const bool fails = failed < failures && world.backend.pending(0).size > read_block_size;
            if (fails) ++failed;
            fails ? world.backend.fail(0, EIO) : world.backend.finish(0);
        }
        EXPECT_EQ(read->is_ok(), failures < read_retry_failures_max);
        EXPECT_FALSE(read->request.failed_offset());
        world.release(*read);
    }
}

TEST(DiskReadRetry, GivesUpWhenItTakesTooLongWhetherPartsSucceedOrFail) {
    for (const bool fails : {false, true}) {
        for (const bool is_late : {false, true}) {
            MemoryBackend::Options options = blocks_of(4096);
            options.is_manual = true;
            DiskWorld world(options);
            const auto end_next = [&](bool is_failure) {
                while (world.backend.pending_count() == 0) world.tick();
                is_failure ? world.backend.fail(0, EIO) : world.backend.finish(0);
            };
            auto read = world.start(DiskCommand::read, 0, 64 * read_block_size);
            end_next(true);
            end_next(fails);
            world.backend.next_poll_ns = read_retry_ns_max - (is_late ? 0 : 1000);
            end_next(fails);
            world.tick();
            world.tick();
            EXPECT_EQ(world.backend.pending_count(), is_late ? 0u : 1u);
            while (!read->is_done()) {
                world.tick();
                while (world.backend.pending_count() > 0) world.backend.finish(0);
            }
            EXPECT_EQ(read->is_ok(), !is_late) << fails;
            EXPECT_FALSE(read->request.failed_offset());
            world.release(*read);
        }
    }
}

TEST(DiskReadRetry, ARequestThatIsUsedAgainForgetsItsOffset) {
    DiskWorld world(blocks_of(4096));
    world.backend.bad_bytes = {0};
    auto read = world.start(DiskCommand::read, 0, read_block_size);
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
