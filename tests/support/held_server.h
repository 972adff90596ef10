// The server in a thread of this process, on a HeldBackend: for tests of the order in which it
// touches the disk and answers. One export, "disk", over a file of 4 MiB.
#pragma once

#include <gtest/gtest.h>

#include <blockd/io/loop.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "server/server.h"
#include "support/daemon_process.h"
#include "support/held_backend.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::support {

class HeldServerTest : public ::testing::Test {
  protected:
    static constexpr uint64_t disk_size = 4 * mebibyte;

    void SetUp() override;
    void TearDown() override;  // Stops the server; it must drain.

    WireClient attach() const;
    std::string disk_path() const { return directory_.file("disk.img"); }
    HeldBackend& backend() { return *backend_; }

    // Operations of this kind are held, and this many are waiting.
    bool holds(io::OperationKind kind, uint32_t count) {
        return eventually([&] { return backend_->held_count(kind) == count; });
    }

    // The server has taken every request that this client has sent so far: it serves them in the
    // order in which they come, and this READ, of a block that no test holds, came last. Fails when
    // something else is answered first.
    static void expect_taken_without_answer(WireClient& client);

  private:
    void run();
    void serve(io::Loop& loop, server::Server& server);
    void stop_done(server::StopReport report);

    TemporaryDirectory directory_;
    HeldBackend* backend_ = nullptr;
    std::thread thread_;
    std::atomic<bool> is_ready_ = false;
    std::atomic<bool> is_stop_wanted_ = false;
    bool is_stopped_ = false;
};

}  // namespace blockd::support
