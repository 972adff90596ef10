// A sync that fails, once, in the real daemon: nothing that depends on it is ever promised again.
#include <gtest/gtest.h>

#include "crash/injection.h"
#include "support/daemon_test.h"

namespace blockd::crash {
namespace {

using namespace support;

constexpr int exit_unclean = 3;

class FailedSync : public DaemonTest {
  protected:
    // The third fdatasync of a thread fails: the main thread has two, of the file that it opens and
    // of its directory; the only disk worker has two that work, and one that does not.
    FailedSync() {
        config.exports.resize(1);
        config.backend = "kqueue";  // Of io_uring's syncs no system call can be made to fail.
        config.disk_workers = 1;
        daemon.set_launcher(injecting_launcher({.call = "fdatasync", .error = "EIO", .when = 3},
                                               directory.file("trace")));
    }

    void SetUp() override {
        const std::string reason = reason_not_to_inject();
        if (!reason.empty()) GTEST_SKIP() << reason;
        start();
    }

    uint64_t logged_count(const std::string& text) const {
        const std::string log = daemon.log();
        uint64_t count = 0;
        for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) {
            ++count;
        }
        return count;
    }

    // After the sync has failed, up to a restart that clears it.
    void expect_latched(WireClient& client) {
        WireClient other = attach();
        for (WireClient* each : {&client, &other}) {
            EXPECT_EQ(each->flush().error, wire::eio);
            EXPECT_EQ(each->write(0, pattern(4096, 3)).error, wire::eio);
            EXPECT_EQ(each->write(0, pattern(4096, 3), wire::flag_fua).error, wire::eio);
            EXPECT_EQ(each->write_zeroes(0, 4096).error, wire::eio);
            EXPECT_EQ(each->trim(0, 4096, wire::flag_fua).error, wire::eio);
            EXPECT_TRUE(each->read(0, 4096).data == pattern(4096, 1)) << "reads go on";
        }
        EXPECT_EQ(daemon.terminate(), exit_unclean) << daemon.log();
        EXPECT_EQ(logged_count("a sync failed: the export is read-only until it is opened anew"),
                  1u);
        EXPECT_EQ(injected_count(directory.file("trace")), 1u);
        daemon.set_launcher({});
        start();
        WireClient again = attach();
        EXPECT_TRUE(again.read(0, 4096).data == pattern(4096, 1));
        EXPECT_TRUE(again.write(0, pattern(4096, 4), wire::flag_fua).is_ok());
        EXPECT_TRUE(again.flush().is_ok());
    }
};

TEST_F(FailedSync, OfAFlushLatchesTheExportUntilARestart) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(4096, 1)).is_ok());
    EXPECT_TRUE(client.flush().is_ok());
    EXPECT_TRUE(client.flush().is_ok());
    EXPECT_TRUE(client.write(8192, pattern(4096, 2)).is_ok());
    EXPECT_EQ(client.flush().error, wire::eio);
    expect_latched(client);
}

TEST_F(FailedSync, OfAWriteWithFuaLatchesTheExportUntilARestart) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(4096, 1), wire::flag_fua).is_ok());
    EXPECT_TRUE(client.write(4096, pattern(4096, 1), wire::flag_fua).is_ok());
    EXPECT_EQ(client.write(8192, pattern(4096, 2), wire::flag_fua).error, wire::eio);
    expect_latched(client);
}

}  // namespace
}  // namespace blockd::crash
