// What is behind a Client: the connection's life, from the first address to the closed socket, and
// the requests on it. Runs on the loop's thread.
//
//     closed -> connecting -> negotiating -> transmission -> closing -> closed
//
// Whatever goes wrong leads to closing: the socket is shut down, every operation on it comes back,
// the socket is closed, then the requests fail and, last of all, the callback of connect(), list()
// or disconnect() is called: in it the owner may destroy the Connection.
#pragma once

#include <blockd/client/client.h>
#include <blockd/client/transfer.h>
#include <blockd/io/loop.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/send_batch.h"
#include "nbd/client_handshake.h"
#include "nbd/reply_parser.h"

namespace blockd::client {

class Connection final : public nbd::ReplySink {
  public:
    using Goal = nbd::ClientHandshake::Goal;

    explicit Connection(io::Loop& loop);
    ~Connection() override;

    void connect(const Client::ConnectOptions& options, Goal goal, io::Callback<Result<Ok>> done);
    void disconnect(io::Callback<Result<Ok>> done);

    const ExportInfo& info() const { return info_; }
    const std::vector<ListedExport>& listed() const { return listed_; }
    const std::string& failure_text() const { return failure_text_; }

    struct Request {
        nbd::Command command;
        Client::Range range = {};
        std::byte* buffer = nullptr;              // READ.
        std::span<const std::byte> payload = {};  // WRITE.
        std::span<StatusExtent> extents = {};     // BLOCK_STATUS.
        io::Callback<Result<Ok>> done = {};
        io::Callback<Result<uint32_t>> status_done = {};
    };
    void submit(Transfer& transfer, const Request& request);

  private:
    enum class State : uint8_t { closed, connecting, negotiating, transmission, closing };

    static constexpr size_t receive_buffer_size = 64u << 10;
    // Behind a large piece of data only the next header is wanted: what else comes along of the
    // data after it must be copied.
    static constexpr size_t look_ahead_size = 512;
    static constexpr size_t data_size_large = 16u << 10;

    // Connecting.
    void connect_next();
    void connect_done(Result<Ok> result);
    void failed_socket_closed(Result<Ok> result);
    void timeout_done(Result<Ok> result);
    const io::Address& address() const { return options_.addresses[address_index_]; }

    // Negotiating.
    void negotiate();
    void send_negotiation();
    void negotiation_sent(Result<uint32_t> result);
    void conclude_negotiation();
    void enter_transmission();

    // Both phases share the two directions of the socket.
    void receive();
    void recv_done(Result<uint32_t> result);
    void send_done(Result<uint32_t> result);

    // The transmission phase.
    void received(size_t size);
    void pump();
    void pump_due();
    void pump_done(Result<Ok> result);
    void fill_batch();
    void put_on_wire(Transfer& transfer);
    nbd::PendingReply* find(uint64_t cookie) override;
    void reply_done(nbd::PendingReply& pending, std::string_view error_text) override;
    void complete_sent();
    void complete(Transfer& transfer, std::optional<Error> error);
    Transfer& transfer_of(uint64_t cookie) const { return *slots_[cookie % depth_max]; }
    std::optional<Error> find_refusal(const Request& request) const;
    bool is_drained() const;

    // Closing.
    void fail(Error error, std::string text);
    void close();
    void close_when_idle();
    void socket_closed(Result<Ok> result);
    void finish_closing();
    void call_back_closed();
    void fail_requests();

    io::Loop& loop_;
    State state_ = State::closed;
    Client::ConnectOptions options_;
    Goal goal_ = Goal::transmission;
    size_t address_index_ = 0;
    io::Fd socket_ = io::Fd::none;

    // At most one of connect() and disconnect() waits.
    io::Callback<Result<Ok>> connect_callback_;
    io::Callback<Result<Ok>> disconnect_callback_;
    bool is_disconnect_sent_ = false;
    bool is_in_callback_ = false;  // pump() runs at the end of it, and need not be scheduled.
    std::optional<Error> failure_;
    std::string failure_text_;

    ExportInfo info_;
    std::vector<ListedExport> listed_;
    std::optional<nbd::ClientHandshake> handshake_;
    std::optional<nbd::ReplyParser> parser_;
    std::span<const std::byte> unparsed_;  // Came with the end of the negotiation.

    IntrusiveList<Transfer, &Transfer::link_> queue_;  // Not on the wire yet, in order.
    std::vector<Transfer*> slots_;                     // By cookie; nullptr where free.
    std::vector<uint16_t> free_slots_;
    uint64_t requests_count_ = 0;
    SendBatch batch_;

    io::Completion connect_;
    io::Completion close_;
    io::Completion recv_;
    io::Completion send_;
    io::Completion timeout_;
    io::Completion tick_;
    std::array<io::IoVector, 2> recv_vectors_;
    size_t direct_size_ = 0;  // Of recv_vectors_: bytes that go straight to a caller.
    size_t last_data_size_ = 0;
    io::IoVector negotiation_vector_;
    std::array<std::byte, receive_buffer_size> receive_buffer_;
};

}  // namespace blockd::client
