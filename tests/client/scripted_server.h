// A server for the client's tests, on the same loop as the client: a script decides what it says.
#pragma once

#include <blockd/io/loop.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nbd/request.h"
#include "nbd/server_handshake.h"

namespace blockd::client {

using Bytes = std::vector<std::byte>;

// One connection at a time; a new one takes the place of the last.
class ScriptedServer {
  public:
    // Called when a client has connected, and whenever bytes have come from it.
    using Script = std::function<void(ScriptedServer&)>;

    ScriptedServer(io::Loop& loop, const std::string& path, Script script);
    ~ScriptedServer();

    io::Address address() const { return address_; }

    // For scripts. What received() holds stays there until the script erases it.
    Bytes& received() { return received_; }
    void send(std::span<const std::byte> bytes);
    void hang_up();  // After all that was sent so far has left.
    void stop_receiving() { is_receiving_ = false; }
    void resume_receiving();

    // At most this many bytes leave at once.
    void set_piece_size(size_t size) { piece_size_ = size; }

    uint32_t connections_count() const { return connections_count_; }
    uint32_t receives_count() const { return receives_count_; }
    bool is_connected() const { return socket_ != io::Fd::none; }

  private:
    void accept_done(Result<io::Fd> result);
    void recv_done(Result<uint32_t> result);
    void send_done(Result<uint32_t> result);
    void closed(Result<Ok> result);
    void receive();
    void send_more();
    void close_when_idle();

    io::Loop& loop_;
    io::Address address_;
    Script script_;
    io::Fd listener_ = io::Fd::none;
    io::Fd socket_ = io::Fd::none;
    io::Completion accept_;
    io::Completion recv_;
    io::Completion send_;
    io::Completion close_;
    bool is_receiving_ = true;
    bool is_hanging_up_ = false;
    bool is_stopping_ = false;
    size_t piece_size_ = SIZE_MAX;
    uint32_t connections_count_ = 0;
    uint32_t receives_count_ = 0;
    io::IoVector recv_vector_{};
    io::IoVector send_vector_{};
    Bytes received_;
    Bytes to_send_;
    Bytes sending_;
    size_t sent_size_ = 0;
    std::vector<std::byte> receive_buffer_;
};

// The script of a well-behaved server with one export in memory, "demo", which the empty name finds
// as well. A test may take single requests into its own hands.
class MemoryExport final : public nbd::ExportDirectory {
  public:
    // Answers the request itself, and returns true; or leaves it to the export.
    using Interception =
        std::function<bool(ScriptedServer&, const nbd::Request&, std::span<const std::byte>)>;

    explicit MemoryExport(size_t size);

    void operator()(ScriptedServer& server);
    ScriptedServer::Script script() {
        return [this](ScriptedServer& server) { (*this)(server); };
    }

    void intercept(Interception interception) { interception_ = std::move(interception); }
    void answer(ScriptedServer& server, const nbd::Request& request,
                std::span<const std::byte> payload = {});
    void answer_error(ScriptedServer& server, const nbd::Request& request, nbd::WireError error,
                      std::string_view text);

    Bytes& disk() { return disk_; }
    const std::vector<nbd::Request>& requests() const { return requests_; }
    bool has_negotiated() const { return connection_ > 0 && !handshake_; }
    bool has_disconnected() const { return has_disconnected_; }
    void remember_requests(bool remembers) { remembers_requests_ = remembers; }
    uint64_t size_override = 0;  // What the export claims to be, where it is not 0.

    size_t count() const override { return 1; }
    nbd::ExportDescription describe(size_t index) const override;
    size_t find(std::string_view name) const override;
    bool allows_list() const override { return true; }

  private:
    bool negotiate(ScriptedServer& server);
    bool take_request(ScriptedServer& server);
    void answer_read(ScriptedServer& server, const nbd::Request& request);

    Bytes disk_;
    Interception interception_;
    uint32_t connection_ = 0;
    std::optional<nbd::ServerHandshake> handshake_;
    nbd::ServerHandshake::Negotiated negotiated_;
    std::vector<nbd::Request> requests_;
    bool remembers_requests_ = true;
    bool has_disconnected_ = false;
};

}  // namespace blockd::client
