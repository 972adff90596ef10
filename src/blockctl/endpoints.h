// Opens the two sides of a copy or a comparison, and closes them again.
#pragma once

#include <blockd/io/loop.h>

#include <memory>

#include "blockctl/endpoint.h"
#include "blockctl/exit_status.h"
#include "blockctl/file_endpoint.h"
#include "blockctl/invocation.h"
#include "blockctl/nbd_endpoint.h"

namespace blockd::blockctl {

enum class BuffersPerRequest : uint8_t { one = 1, two = 2 };

class Endpoints {
  public:
    Endpoints(io::Loop& loop, const Invocation& invocation);
    ~Endpoints();
    Endpoints(const Endpoints&) = delete;
    Endpoints& operator=(const Endpoints&) = delete;

    // Both to be read. `done`, or a complaint and the exit status.
    ExitStatus open_for_verify();

    // The target is made, emptied or checked: writable, and large enough.
    ExitStatus open_for_copy();

    // How many requests to have in flight: so many as the user asked for on each connection, as
    // long as their buffers stay within memory_max.
    uint32_t request_count(BuffersPerRequest buffers) const;

    // Complains and gives a status when a side cannot be closed in order: written data may be lost.
    ExitStatus close();

    Endpoint& source() { return *source_; }
    Endpoint& target() { return *target_; }

  private:
    static constexpr uint64_t memory_max = 1u << 30;

    ExitStatus open_source(const Location& location, std::unique_ptr<Endpoint>& endpoint);
    ExitStatus open_server(const Location& location, std::unique_ptr<Endpoint>& endpoint);
    ExitStatus open_file_target(const Location& location);
    ExitStatus open_server_target(const Location& location);

    io::Loop& loop_;
    const Invocation& invocation_;
    std::unique_ptr<Endpoint> source_;
    std::unique_ptr<Endpoint> target_;
    const FileEndpoint* source_file_ = nullptr;  // source_, where it is a file.
};

}  // namespace blockd::blockctl
