// The server in a thread of this process, on a HeldBackend: for tests of the order in which it
// touches the disk and answers. One export, "disk", over a file of 4 MiB.
#pragma once

#include <gtest/gtest.h>

#include <blockd/io/loop.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "server/server.h"
#include "support/daemon_process.h"
#include "support/held_backend.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::support {

// Remembers the messages; read by other threads, too.
class RecordingLog final : public server::Log {
  public:
    void write(server::LogLevel, std::string_view message,
               std::span<const server::LogField> fields) override {
        const std::lock_guard lock(mutex_);
        messages_.emplace_back(message);
        numbers_.clear();
        for (const server::LogField& field : fields) {
            if (const auto* number = std::get_if<uint64_t>(&field.value)) {
                numbers_.emplace(field.key, *number);
            }
        }
    }
    size_t count(std::string_view message) const {
        const std::lock_guard lock(mutex_);
        return static_cast<size_t>(std::ranges::count(messages_, message));
    }

    // Of the last message.
    std::optional<uint64_t> last_number(const std::string& key) const {
        const std::lock_guard lock(mutex_);
        const auto found = numbers_.find(key);
        return found == numbers_.end() ? std::nullopt : std::optional(found->second);
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> messages_;
    std::map<std::string, uint64_t> numbers_;
};

class HeldServerTest : public ::testing::Test {
  protected:
    static constexpr uint64_t disk_size = 4 * mebibyte;

    // Choose in the constructor of a derived fixture.
    server::Limits limits;
    uint32_t disk_workers = 4;

    void SetUp() override;
    void TearDown() override;  // Stops the server; it must drain.

    WireClient connect() const;
    WireClient attach() const;
    std::string disk_path() const { return directory_.file("disk.img"); }
    HeldBackend& backend() { return *backend_; }
    size_t logged_count(std::string_view message) const { return log_.count(message); }
    std::optional<uint64_t> last_logged(const std::string& key) const {
        return log_.last_number(key);
    }

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
    RecordingLog log_;
    HeldBackend* backend_ = nullptr;
    std::thread thread_;
    std::atomic<bool> is_ready_ = false;
    std::atomic<bool> is_stop_wanted_ = false;
    bool is_stopped_ = false;
};

}  // namespace blockd::support
