// A write whose client is gone must not undo what a client that reconnected has written since.
#include <gtest/gtest.h>

#include "support/held_server.h"

namespace blockd::support {
namespace {

using io::OperationKind;

class Fencing : public HeldServerTest {
  protected:
    // Holds a write of `old_size` bytes at `old_offset`, drops its connection, writes `newer` at
    // `offset` over a new one, lets the held write go, and tells what the file has then.
    void expect_newer_stays(uint64_t old_offset, uint64_t old_size, uint64_t offset,
                            const std::string& newer) {
        WireClient old = attach();
        backend().hold(OperationKind::write);
        old.send_request({.command = wire::cmd_write,
                          .offset = old_offset,
                          .size = static_cast<uint32_t>(old_size)},
                         pattern(old_size, 1));
        EXPECT_TRUE(eventually([this] { return backend().held_count(OperationKind::write) > 0; }));
        old.close();

        WireClient client = attach();
        client.send_request({.command = wire::cmd_write,
                             .offset = offset,
                             .size = static_cast<uint32_t>(newer.size())},
                            newer);
        expect_taken_without_answer(client);
        backend().release_newest_first(OperationKind::write);
        EXPECT_TRUE(client.receive_answer().is_ok());
        EXPECT_TRUE(client.read(offset, static_cast<uint32_t>(newer.size())).data == newer);
        EXPECT_TRUE(client.flush().is_ok());
        EXPECT_TRUE(read_file(disk_path(), offset, newer.size()) == newer);
    }
};

TEST_F(Fencing, Case78LateWriteOfADroppedConnectionLosesToANewerOne) {
    expect_newer_stays(65536, 4096, 65536, pattern(4096, 2));
}

TEST_F(Fencing, Case78LateWriteThatOverlapsInPartLosesThere) {
    expect_newer_stays(65536, 16'384, 65536 + 8192, pattern(16'384, 3));
}

TEST_F(Fencing, Case78LateUnalignedWriteLosesToANewerOneOfTheSameBlock) {
    expect_newer_stays(65536 + 10, 100, 65536 + 50, pattern(100, 4));
}

TEST_F(Fencing, Case78LateUnalignedWriteKeepsItsNeighbourInTheBlock) {
    expect_newer_stays(65536 + 10, 100, 65536 + 2000, pattern(100, 5));
}

TEST_F(Fencing, Case78LateLargeWriteLosesToANewerOneInItsMiddle) {
    expect_newer_stays(0, 3 * mebibyte, mebibyte + 4096, pattern(8192, 6));
}

TEST_F(Fencing, Case78LateZeroesLoseToANewerWrite) {
    for (const auto kind :
         {OperationKind::zero_range, OperationKind::punch_hole, OperationKind::write}) {
        backend().hold(kind);
    }
    WireClient old = attach();
    old.send_request({.command = wire::cmd_write_zeroes, .offset = 65536, .size = 65536});
    const auto held_count = [this] {
        return backend().held_count(OperationKind::zero_range) +
               backend().held_count(OperationKind::punch_hole) +
               backend().held_count(OperationKind::write);
    };
    EXPECT_TRUE(eventually([&] { return held_count() > 0; }));
    old.close();
    WireClient client = attach();
    client.send_request({.command = wire::cmd_write, .offset = 65536, .size = 4096},
                        pattern(4096, 7));
    expect_taken_without_answer(client);
    for (const auto kind :
         {OperationKind::zero_range, OperationKind::punch_hole, OperationKind::write}) {
        backend().release_newest_first(kind);
    }
    EXPECT_TRUE(client.receive_answer().is_ok());
    EXPECT_TRUE(client.read(65536, 4096).data == pattern(4096, 7));
}

// One request at a time: what follows lies in the socket, and has no place in the order of writes
// until it is read.
class FencingBehindALimit : public Fencing {
  protected:
    FencingBehindALimit() { limits.requests_per_connection = 1; }

    bool is_gone() {
        return eventually([this] { return logged_count("client gone") == 1; });
    }
};

TEST_F(FencingBehindALimit, WriteLeftInTheSocketOfADroppedConnectionIsNotDoneAfterANewerOne) {
    backend().hold(OperationKind::write);
    WireClient old = attach();
    const RequestFields begun = {.command = wire::cmd_write, .offset = 0, .size = 4096};
    const RequestFields unread = {.command = wire::cmd_write, .offset = 65536, .size = 4096};
    old.send_request(begun, pattern(4096, 1));
    EXPECT_TRUE(holds(OperationKind::write, 1));
    old.send_request(unread, pattern(4096, 2));
    old.close();

    WireClient client = attach();
    client.send_request(unread, pattern(4096, 3));
    EXPECT_TRUE(holds(OperationKind::write, 2));
    backend().release_newest_first(OperationKind::write);
    EXPECT_TRUE(client.receive_answer().is_ok());
    EXPECT_TRUE(is_gone());
    EXPECT_TRUE(client.read(65536, 4096).data == pattern(4096, 3));
    EXPECT_TRUE(client.read(0, 4096).data == pattern(4096, 1)) << "that one had begun";
}

TEST_F(FencingBehindALimit, WriteLeftInTheSocketIsDoneWhenNobodyElseHasCome) {
    backend().hold(OperationKind::write);
    WireClient client = attach();
    const std::string data = pattern(4096, 1);
    for (const uint64_t offset : {0u, 65536u}) {
        client.send_request({.command = wire::cmd_write, .offset = offset, .size = 4096}, data);
        EXPECT_TRUE(holds(OperationKind::write, 1));
    }
    client.close();
    backend().release(OperationKind::write);
    EXPECT_TRUE(is_gone());
    EXPECT_TRUE(read_file(disk_path(), 65536, 4096) == data);
}

}  // namespace
}  // namespace blockd::support
