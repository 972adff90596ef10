// NBD servers of other projects, and blockd, each serving one file on a unix socket
// (nbd-server: on a port of 127.0.0.1).
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/program.h"

namespace blockd::support {

enum class ServerKind { nbdkit, qemu_nbd, nbd_server, blockd };

const char* name_of(ServerKind kind);

// What a kind of server is called, or where the environment says it is; empty when it is not
// installed, which is a reason to skip.
std::string program_of(ServerKind kind);

class ForeignServer {
  public:
    // Serves `file` as export "disk" (nbdkit takes any name) on `socket_path`, and waits until it
    // takes connections. `extra` are more arguments for the server.
    ForeignServer(ServerKind kind, const std::string& file, const std::string& socket_path,
                  const std::vector<std::string>& extra = {});
    // The same with a command line of the test's own.
    ForeignServer(ServerKind kind, const std::vector<std::string>& words,
                  const std::string& socket_path);
    ~ForeignServer();
    ForeignServer(const ForeignServer&) = delete;
    ForeignServer& operator=(const ForeignServer&) = delete;

    std::string uri(const std::string& export_name = "disk") const;

    // Ends it as its operator would, and waits: what it wrote is in the file then.
    void stop();

  private:
    bool is_greeting() const;
    bool is_ready();
    bool is_daemon() const { return kind_ == ServerKind::nbd_server; }
    std::optional<pid_t> daemon() const;

    ServerKind kind_;
    std::string socket_path_;
    uint16_t port_ = 0;  // nbd-server.
    std::unique_ptr<Program> program_;
};

}  // namespace blockd::support
