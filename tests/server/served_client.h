// A server on a PipeBackend, and its one client, which is attached: what benchmarks of whole
// requests run. Allocates nothing once it is constructed.
#pragma once

#include <blockd/io/loop.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "server/pipe_backend.h"
#include "server/server.h"
#include "support/silent_log.h"

namespace blockd::server {

enum class ReplyKind : uint8_t { simple, structured };

class ServedClient {
  public:
    static constexpr uint64_t disk_size = 1u << 20;

    explicit ServedClient(ReplyKind kind);
    ~ServedClient();  // Stops the server.
    ServedClient(const ServedClient&) = delete;
    ServedClient& operator=(const ServedClient&) = delete;

    // Sends these bytes, and runs the server until it has sent `size` bytes.
    std::span<const std::byte> exchange(std::span<const std::byte> sent, size_t size);

  private:
    ServedClient(ReplyKind kind, std::unique_ptr<PipeBackend> backend);

    void stop_done(StopReport) { is_stopped_ = true; }

    PipeBackend& backend_;  // The loop's.
    io::Loop loop_;
    support::SilentLog log_;
    Server server_;
    bool is_stopped_ = false;
};

}  // namespace blockd::server
