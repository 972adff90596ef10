// One connection to one export, for the commands that do one thing: opens it, checks what is asked
// against what the export can do, and closes it. Complaints go to stderr.
#pragma once

#include <blockd/client/client.h>
#include <blockd/io/loop.h>

#include <memory>
#include <string>
#include <string_view>

#include "blockctl/exit_status.h"
#include "blockctl/invocation.h"

namespace blockd::blockctl {

enum class BlockStatus : uint8_t { unused, wanted };

class Session {
  public:
    explicit Session(const Invocation& invocation);
    ~Session();  // Closes the connection.
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // `done`, or what the command then returns.
    ExitStatus open(BlockStatus block_status);
    ExitStatus list();

    // `flag` is one of nbd::transmission_flag; `ability` names it: "TRIM".
    ExitStatus require(uint16_t flag, std::string_view ability) const;
    ExitStatus require_writable() const;

    // Whether the range lies in the export and fits the server's smallest block.
    ExitStatus require_range(uint64_t offset, uint64_t size) const;

    // A request failed: "cannot read 4096 bytes at offset 0 of URI: what the server said".
    ExitStatus fail(const char* action, uint64_t offset, uint64_t size,
                    const std::string& words) const;

    // What the server, or the system, said of the last failure.
    std::string words_of_failure(const Error& error) const;

    io::Loop& loop() { return *loop_; }
    client::Client& client() { return *client_; }
    const client::ExportInfo& info() const { return client_->info(); }
    const std::string& name() const { return name_; }

    // Bytes of one read or write: what the server takes, and what suits a pipeline.
    uint64_t request_size() const;

  private:
    ExitStatus prepare(client::Client::ConnectOptions& options);
    ExitStatus refuse(const std::string& reason) const;

    std::string name_;  // The URI as the user gave it.
    client::Uri uri_;
    std::unique_ptr<io::Loop> loop_;
    std::unique_ptr<client::Client> client_;
    bool is_open_ = false;
};

}  // namespace blockd::blockctl
