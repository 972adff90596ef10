// An NBD client on a loop: one connection to one export of any NBD server.
//
//     Client client(loop);
//     client.connect({.addresses = ..., .export_name = "demo"}, bind<&Copy::connect_done>(this));
//     ... client.read(transfer, ...) as often as you like ...
//     client.disconnect(bind<...>(this));
//
// - Runs on the loop's thread; every request gets exactly one callback, never inside the call.
// - Any number of requests may be given: depth_max are on the wire at a time, the rest wait in
//   order. Replies may come in any order. Nothing is allocated per request.
// - When the connection breaks, every request that is not answered fails with what broke it (a
//   server that hangs up: Error{connection_reset}), and so does every later one.
#pragma once

#include <blockd/client/transfer.h>
#include <blockd/error.h>
#include <blockd/io/address.h>
#include <blockd/io/callback.h>
#include <blockd/io/loop.h>
#include <blockd/nbd_wire.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace blockd::client {

inline constexpr uint32_t depth_default = 64;
inline constexpr uint32_t depth_max = 1024;

// What the server said of the export.
struct ExportInfo {
    std::string name;
    std::string description;
    uint64_t size = 0;   // Bytes.
    uint16_t flags = 0;  // nbd::transmission_flag bits.
    uint32_t block_size_minimum = 1;
    uint32_t block_size_preferred = 4096;
    uint32_t block_size_maximum = nbd::payload_size_max;
    bool has_structured_replies = false;
    bool has_base_allocation = false;
};

// One export of a server's list.
struct ListedExport {
    std::string name;
    std::string description;
};

using nbd::StatusExtent;

class Connection;

class Client {
  public:
    struct ConnectOptions {
        std::vector<io::Address> addresses;  // Tried in order.
        std::string export_name;
        bool wants_block_status = false;  // Negotiate "base:allocation".
        uint32_t depth = depth_default;
        uint64_t timeout_ns = 10'000'000'000;
    };
    struct Range {
        uint64_t offset;
        uint64_t size;
        uint16_t flags = 0;  // nbd::command_flag bits.
    };

    explicit Client(io::Loop& loop);
    ~Client();  // Never connected, or the callback of a failed connect(), list() or disconnect().
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Connects and negotiates. After a failure failure_text() says what the server said; the
    // socket is closed by then, and connect() may be tried again.
    void connect(const ConnectOptions& options, io::Callback<Result<Ok>> done);

    // Connects, lists the exports, and closes again.
    void list(const ConnectOptions& options, io::Callback<Result<Ok>> done);

    const ExportInfo& info() const;
    const std::vector<ListedExport>& listed() const;

    // The server's or the system's words for the last failure, e.g. "the server refused export
    // 'x': no such export". Empty while nothing failed.
    const std::string& failure_text() const;

    // read fills, write sends the whole buffer, which is as large as the range. More than
    // info().block_size_maximum bytes (other commands: UINT32_MAX) is Error{too_large}.
    void read(Transfer& transfer, std::span<std::byte> buffer, const Range& range,
              io::Callback<Result<Ok>> done);
    void write(Transfer& transfer, std::span<const std::byte> buffer, const Range& range,
               io::Callback<Result<Ok>> done);
    void flush(Transfer& transfer, io::Callback<Result<Ok>> done);
    void trim(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done);
    void write_zeroes(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done);
    void cache(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done);
    // Passes how many extents it filled, at least one; they add up to at most the range. Without
    // info().has_base_allocation it is Error{not_supported}.
    void block_status(Transfer& transfer, std::span<StatusExtent> extents, const Range& range,
                      io::Callback<Result<uint32_t>> done);

    // Sends NBD_CMD_DISC once every request was answered, and closes. Passes what broke the
    // connection when it was broken already. Requests that come after it fail.
    void disconnect(io::Callback<Result<Ok>> done);

  private:
    std::unique_ptr<Connection> connection_;
};

}  // namespace blockd::client
