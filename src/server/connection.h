// One client: its negotiation, its requests in flight, its replies, and its end.
//
//     negotiating -> serving -> draining -> lingering -> closing -> gone
//
// - Many requests are parsed out of one receive; a write's payload is received straight into the
//   memory from which the disk is written.
// - Replies gather in a queue, and one send per turn of the loop takes them along.
// - A connection that breaks still waits for what the disk does on its behalf, then closes.
// Runs on the loop's thread. `ended` is the last that is heard of it.
#pragma once

#include <blockd/io/loop.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "nbd/server_handshake.h"
#include "server/admission.h"
#include "server/export_table.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/pipeline_depth.h"
#include "server/reply_heads.h"
#include "server/reply_queue.h"
#include "server/request_slot.h"
#include "storage/disk_lane.h"

namespace blockd::server {

struct ConnectionContext;

class Connection {
  public:
    struct Options {
        io::Fd socket;
        uint64_t id;         // Names the connection in the log.
        std::string client;  // Where it comes from, for the log.
    };

    Connection(ConnectionContext& context, const Options& options);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();

    // The server shuts down: what is in flight is finished and answered, nothing else is read.
    void drain();

    // At once, without regard for what is in flight. The client, or a limit, is to blame.
    void abort(const char* reason);

    uint32_t index = 0;  // The shard's own: the place among its connections.
    ListLink<Connection> negotiating_link;

  private:
    friend struct RequestSlot;

    enum class State : uint8_t {
        negotiating,
        serving,
        draining,   // Reads nothing more; finishes and answers what is in flight.
        lingering,  // All is said; waits for the client to hang up.
        closing,    // Waits for its operations to end, then closes the socket.
    };

    // connection.cc: the lives and the end.
    void stop_negotiating();
    void begin_serving();
    void begin_draining(const char* reason);
    void finish_if_drained();
    void drop_payload();
    void stop_waiting_for_room();
    void begin_closing();
    void hung_up();
    void close_if_idle();
    void close_done(Result<Ok> result);
    void set_deadline(uint64_t& deadline_ns, uint64_t after_ns);
    uint64_t next_deadline_ns() const;
    void arm_timer();
    void timer_done(Result<Ok> result);
    void log_end();

    // connection_receive.cc: bytes in.
    void receive();
    void receive_done(Result<uint32_t> result);
    void received(uint32_t size);
    void negotiate();
    void process();
    void process_tick(Result<Ok> result);
    void admission_retry(Result<Ok> result);
    bool skip_payload();
    bool fill_payload();
    bool begin_request(const nbd::Request& request);
    RequestSlot* admit(const nbd::Request& request, bool is_refused);
    void wait_for(Room room, const nbd::Request& request);
    bool is_payload_to_come(const nbd::Request& request) const;
    bool fits(RequestSlot& slot, const nbd::Request& request, bool is_refused, Room& room);
    size_t payload_vectors();
    void execute(RequestSlot& slot);
    std::span<const std::byte> unread() const;

    // connection_reply.cc: bytes out.
    void disk_done(RequestSlot& slot, Result<Ok> result);
    void refuse(RequestSlot& slot, nbd::WireError error, const char* text,
                std::optional<uint64_t> offset = {});
    void reply(RequestSlot& slot);
    void release(RequestSlot& slot);
    void release_all(RequestList& slots);
    void send_tick(Result<Ok> result);
    void send();
    void set_reply_deadline();
    void send_done(Result<uint32_t> result);
    void turn_deaf();
    void expect_more(bool has_sent_data);
    bool is_superseded() const;
    void log_disk_error(const RequestSlot& slot, Error error);

    ConnectionContext& context_;
    const io::Fd socket_;
    const uint64_t id_;
    const std::string client_;
    State state_ = State::negotiating;
    const char* end_reason_ = "";
    bool is_to_blame_ = false;      // It broke the protocol, or a limit.
    bool is_deaf_ = false;          // It takes no replies any more.
    bool is_drain_wanted_ = false;  // Once the negotiation, or the write that comes in, is over.

    std::optional<nbd::ServerHandshake> handshake_;
    Export* export_ = nullptr;
    uint64_t attach_number_ = 0;  // The how manieth of its export.
    nbd::RequestLimits request_limits_;
    ReplyFormat reply_format_;
    storage::Flow flow_;

    io::Completion receive_completion_;
    io::Completion send_completion_;
    io::Completion send_tick_completion_;
    io::Completion process_tick_completion_;
    io::Completion timer_;
    io::Completion close_completion_;
    uint64_t deadline_ns_ = 0;          // Of the state, or of the reply being sent; 0: none.
    uint64_t payload_deadline_ns_ = 0;  // Of the payload being received; 0: none.
    uint64_t timer_deadline_ns_ = 0;    // When timer_ fires.

    // Received bytes that are not parsed yet: [unread_begin_, unread_end_).
    std::array<std::byte, receive_buffer_size> receive_buffer_;
    uint32_t unread_begin_ = 0;
    uint32_t unread_end_ = 0;
    std::array<io::IoVector, receive_vectors_max> receive_vectors_;

    RequestSlot* payload_slot_ = nullptr;  // The write whose payload comes in.
    uint64_t payload_received_size_ = 0;
    uint64_t payload_skip_size_ = 0;  // Of a refused write, still to come.

    AdmissionWaiter admission_waiter_;
    bool is_waiting_for_own_ = false;  // Its own limit is reached; a reply makes room.
    uint32_t slots_in_use_ = 0;
    uint64_t bytes_in_use_ = 0;
    PipelineDepth pipeline_depth_;

    ReplyQueue replies_;
    std::array<io::IoVector, send_vectors_max> send_vectors_;

    uint64_t requests_count_ = 0;
};

// Those that negotiate, in the order of their arrival.
using NegotiatingList = IntrusiveList<Connection, &Connection::negotiating_link>;

// What all connections of a loop share; it outlives them.
struct ConnectionContext {
    const storage::DiskLane& lane;
    io::Loop& loop;
    Log& log;
    const Limits& limits;
    ExportTable& exports;
    Admission& admission;
    NegotiatingList& negotiating;
    io::Callback<Connection*> ended;  // The connection may be destroyed in it.
};

}  // namespace blockd::server
