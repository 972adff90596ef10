#include "blockctl/file_endpoint.h"

#include <gtest/gtest.h>

#include <memory>

#include "blockctl/event_loop.h"
#include "blockctl/waiter.h"
#include "blockctl/writeback_linux.h"
#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {
namespace {

constexpr uint64_t piece_size = 256u << 10;
constexpr uint64_t file_size = 16u << 20;

class FileEndpointTest : public testing::Test {
  protected:
    void open() {
        auto opened =
            FileEndpoint::open_target(*loop, directory.file("target"), file_size, nullptr);
        ASSERT_TRUE(std::holds_alternative<std::unique_ptr<FileEndpoint>>(opened));
        target = std::move(std::get<0>(opened));
    }

    void write_all() {
        const std::string bytes = support::pattern(piece_size, 1);
        for (uint64_t offset = 0; offset < file_size; offset += piece_size) {
            Waiter<Ok> waiter;
            target->write(request, std::as_bytes(std::span(bytes)), offset, waiter.callback());
            ASSERT_TRUE(waiter.wait(*loop));
        }
    }

    Result<Ok> flush() {
        Waiter<Ok> waiter;
        target->flush(request, waiter.callback());
        return waiter.wait(*loop);
    }

    support::TemporaryDirectory directory;
    std::unique_ptr<io::Loop> loop = make_loop(1);
    std::unique_ptr<FileEndpoint> target;
    EndpointRequest request;
};

// A file that is written while the disk refuses what the page cache hands it. The system's own
// fdatasync succeeds: the note of the failure was taken by who waited for the writeback.
class FileEndpointWriteback : public FileEndpointTest {
  protected:
    void write_until_the_drain_fails() {
        open();
        write_all();
        ASSERT_TRUE(support::eventually([this] { return writeback.has_failed(); }));
    }

    FailingWriteback writeback;
};

TEST_F(FileEndpointWriteback, FailedWritebackFailsTheFlush) {
    write_until_the_drain_fails();
    const Result<Ok> flushed = flush();
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, ErrorCode::disk);
    EXPECT_FALSE(target->close());
}

TEST_F(FileEndpointWriteback, FailedWritebackFailsTheCloseWithoutAFlush) {
    write_until_the_drain_fails();
    const Result<Ok> closed = target->close();
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().code, ErrorCode::disk);
}

TEST_F(FileEndpointTest, FlushOfANewFileMakesItsNameDurable) {
    for (const uint32_t folder_syncs : {1u, 0u}) {  // Then it is there.
        open();
        write_all();
        const uint32_t before = folder_sync_count();
        EXPECT_TRUE(flush());
        EXPECT_EQ(folder_sync_count() - before, folder_syncs);
        EXPECT_TRUE(target->close());
    }
}

TEST_F(FileEndpointTest, FileSystemWithoutASyncIsNamedWithTheWayOut) {
    const UnknownSync unknown;
    open();
    const Result<Ok> flushed = flush();
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, ErrorCode::not_supported);
    EXPECT_EQ(target->failure_words(request, flushed.error()),
              "not supported (its file system knows no full sync; --no-flush copies without)");
    EXPECT_TRUE(target->close());
}

}  // namespace
}  // namespace blockd::blockctl
