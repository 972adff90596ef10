// What clients see of a disk that fails.
#include <gtest/gtest.h>

#include <cerrno>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

using DiskFault = HeldServerTest;

TEST_F(DiskFault, Case85FailedReadIsAnErrorOfThatReadAlone) {
    WireClient client = attach();
    backend().break_byte(9000);
    const Answer answer = client.read(4096, 65'536);
    EXPECT_EQ(answer.error, wire::eio);
    EXPECT_TRUE(client.read(4096, 4096).is_ok());
    EXPECT_TRUE(client.read(12'288, 65'536).is_ok());
    EXPECT_EQ(client.read(8999, 2).error, wire::eio);
}

TEST_F(DiskFault, FailedReadTellsTheOffsetOfItsBadBlock) {
    WireClient client = connect();
    client.attach_structured("disk");
    backend().break_byte(9000);
    const Answer answer = client.read(0, 65'536);
    ASSERT_EQ(answer.chunks.size(), 1u);
    EXPECT_EQ(answer.chunks[0].type, wire::chunk_error_offset);
    EXPECT_EQ(answer.error, wire::eio);
    EXPECT_EQ(answer.text, "the disk failed");
    EXPECT_EQ(read_u64(answer.chunks[0].payload, 6 + answer.text.size()), 8192u);
}

TEST_F(DiskFault, LogTellsTheBadBlockBesideTheRequest) {
    WireClient client = attach();
    backend().break_byte(9000);
    EXPECT_EQ(client.read(4096, 65'536).error, wire::eio);
    EXPECT_EQ(last_logged("offset"), 4096u);
    EXPECT_EQ(last_logged("size_bytes"), 65'536u);
    EXPECT_EQ(last_logged("bad_offset"), 8192u);
    backend().fail_next(OperationKind::write, -EIO);
    EXPECT_EQ(client.write(8192, pattern(4096, 1)).error, wire::eio);
    EXPECT_EQ(last_logged("offset"), 8192u);
    EXPECT_FALSE(last_logged("bad_offset"));
}

TEST_F(DiskFault, ReadThatFailsOnceIsMadeAgain) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(65'536, 1)).is_ok());
    backend().fail_next(OperationKind::read, -EIO);
    EXPECT_TRUE(client.read(0, 65'536).data == pattern(65'536, 1));
}

TEST_F(DiskFault, Case85FailedWriteIsAnErrorOfThatWriteAlone) {
    WireClient client = attach();
    backend().fail_next(OperationKind::write, -EIO);
    EXPECT_EQ(client.write(0, pattern(4096, 1)).error, wire::eio);
    EXPECT_TRUE(client.write(0, pattern(4096, 2)).is_ok());
    EXPECT_TRUE(client.read(0, 4096).data == pattern(4096, 2));
}

TEST_F(DiskFault, Case85FullDiskIsNoSpace) {
    WireClient client = attach();
    backend().fail_next(OperationKind::write, -ENOSPC);
    EXPECT_EQ(client.write(0, pattern(4096, 1)).error, wire::enospc);
    EXPECT_TRUE(client.write(0, pattern(4096, 2)).is_ok());
}

// Whatever the system says: ENOTSUP answers FAST_ZERO alone, and EINVAL and EPERM blame the client.
TEST_F(DiskFault, WhateverTheSystemSaysIsADiskError) {
    WireClient client = attach();
    for (const int32_t failure : {-ENOTSUP, -EINVAL, -EACCES, -ENOMEM, -EBADF}) {
        backend().fail_next(OperationKind::read, failure, 2);
        EXPECT_EQ(client.read(0, 4096).error, wire::eio) << failure;
    }
}

TEST_F(DiskFault, FailedSyncIsLoggedAfterAnyNumberOfOtherFailures) {
    WireClient client = attach();
    for (int failures = 0; failures < 2; ++failures) {
        backend().fail_next(OperationKind::read, -EIO, 2);
        EXPECT_EQ(client.read(0, 4096).error, wire::eio);
    }
    backend().fail_next(OperationKind::sync, -EIO);
    EXPECT_EQ(client.flush().error, wire::eio);
    EXPECT_EQ(client.flush().error, wire::eio);
    EXPECT_EQ(logged_count("a sync failed: the export is read-only until it is opened anew"), 1u);
}

TEST_F(DiskFault, Case85FailedSyncIsNeverForgotten) {
    WireClient client = attach();
    WireClient other = attach();
    EXPECT_TRUE(client.write(0, pattern(4096, 1)).is_ok());
    backend().fail_next(OperationKind::sync, -EIO);
    EXPECT_EQ(client.flush().error, wire::eio);
    const uint32_t sync_count = backend().arrived_count(OperationKind::sync);
    for (WireClient* each : {&client, &other}) {
        EXPECT_EQ(each->flush().error, wire::eio);
        EXPECT_EQ(each->write(0, pattern(4096, 2)).error, wire::eio);
        EXPECT_EQ(each->write(0, pattern(4096, 2), wire::flag_fua).error, wire::eio);
        EXPECT_TRUE(each->read(0, 4096).data == pattern(4096, 1)) << "reads go on";
    }
    EXPECT_EQ(backend().arrived_count(OperationKind::sync), sync_count) << "it is not retried";
    WireClient late = attach();
    EXPECT_EQ(late.flush().error, wire::eio);
}

TEST_F(DiskFault, Case85FailedSyncOfAWriteWithFuaIsItsError) {
    WireClient client = attach();
    backend().fail_next(OperationKind::sync, -EIO);
    EXPECT_EQ(client.write(0, pattern(4096, 1), wire::flag_fua).error, wire::eio);
    EXPECT_EQ(client.flush().error, wire::eio);
}

// Whatever the system says of a sync, it is the disk's failure: ENOSPC would tell the client to
// make room, ENOTSUP that FAST_ZERO is not fast here.
TEST_F(DiskFault, FailedSyncIsAnIoErrorWhateverTheSystemSays) {
    backend().fail_next(OperationKind::sync, -ENOSPC);
    EXPECT_EQ(attach().flush().error, wire::eio);
    EXPECT_EQ(logged_count("request failed"), 1u);
}

TEST_F(DiskFault, FailedSyncOfAFastZeroIsNoRefusalOfFastZero) {
    backend().fail_next(OperationKind::sync, -ENOTSUP);
    const uint16_t flags = wire::flag_fast_zero | wire::flag_fua;
    EXPECT_EQ(attach().write_zeroes(0, 65536, flags).error, wire::eio);
    EXPECT_EQ(logged_count("request failed"), 1u);
    EXPECT_EQ(logged_count("a sync failed: the export is read-only until it is opened anew"), 1u);
}

}  // namespace
}  // namespace blockd::support
