// The sockets of a simulated world: one listener, and a pipe for each direction of a connection.
//
// Bytes travel in segments that take their time; each end has a window, and what does not fit waits
// with the sender. Either end may hang up, or be cut off.
//
// The server sees it through descriptors, by readiness: can_receive(), receive(), ... The clients
// are told what arrives.
#pragma once

#include <blockd/io/backend.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "simulation/event_queue.h"
#include "simulation/history.h"
#include "simulation/random.h"
#include "simulation/swarm.h"

namespace blockd::simulation {

// A client's end of a connection.
class Peer {
  public:
    virtual ~Peer() = default;
    virtual void received(std::span<const std::byte> bytes) = 0;
    virtual void server_hung_up() = 0;  // No more bytes come.
    virtual void was_reset() = 0;       // Refused, cut off, or the server is gone.
    // The server can do nothing more for this connection; it took this many of its bytes.
    virtual void settled(uint32_t connection, uint64_t received_size) = 0;
};

// Bytes on their way in one direction. `arrived` of them can be taken.
struct Pipe {
    std::vector<std::byte> bytes;
    size_t begin = 0;
    size_t arrived = 0;
    size_t departed = 0;  // Arrived, or travelling.
    uint64_t last_arrival_ns = 0;
    bool is_ending = false;  // The sender says no more.
    bool is_ended = false;   // And the receiver knows.

    size_t size() const { return bytes.size() - begin; }
    void push(std::span<const std::byte> added) {
        bytes.insert(bytes.end(), added.begin(), added.end());
    }
    std::span<const std::byte> front(size_t count) const { return {bytes.data() + begin, count}; }
    void pop(size_t count);
};

struct Connection {
    Peer* peer = nullptr;   // nullptr once the client does not care any more.
    Peer* owner = nullptr;  // To be told when it is settled.
    Pipe to_server;
    Pipe to_client;
    io::Completion* reader = nullptr;
    io::Completion* writer = nullptr;
    io::Fd fd = io::Fd::none;
    uint64_t received_size = 0;       // By the server.
    bool is_reset_at_server = false;  // The server will be told so.
    bool is_client_closed = false;
    bool is_client_paused = false;  // It takes no bytes.
    bool is_server_closed = false;
    bool is_receive_shut = false;  // By the server.
    bool is_send_shut = false;
    bool is_settled = false;
    bool delivers_before_reset = false;  // What had arrived can still be received.
    bool had_failed_send = false;
};

class Network {
  public:
    // Counts the sends that fail in `failed_sends`.
    Network(const Swarm& swarm, EventQueue& events, const uint64_t& now_ns, uint64_t seed,
            uint64_t& failed_sends);

    // Clients.
    uint32_t connect(Peer& peer);  // Refused later on when nobody listens.
    void send(uint32_t connection, std::span<const std::byte> bytes);
    uint64_t unsent_size(uint32_t connection) const;
    void end_sending(uint32_t connection);
    void close(uint32_t connection);  // In order: what was sent arrives.
    void reset(uint32_t connection);  // At once: what was sent may not.
    void pause(uint32_t connection, bool is_paused);
    bool is_server_waiting_to_send(uint32_t connection) const;
    bool is_server_waiting_to_receive(uint32_t connection) const;
    bool is_open_at_server(uint32_t connection) const;
    bool had_failed_send(uint32_t connection) const {
        return connections_[connection].had_failed_send;
    }
    bool is_settled(uint32_t connection) const { return connections_[connection].is_settled; }
    uint64_t received_size(uint32_t connection) const {
        return connections_[connection].received_size;
    }

    // The server.
    void start_listening() { is_listening_ = true; }
    void stop_listening();  // Who waits to be accepted is turned away.
    bool is_listening() const { return is_listening_; }
    io::Fd listener() const { return io::Fd(3); }
    int64_t accept();  // A descriptor, or a negated errno; EAGAIN: nobody waits.
    int64_t receive(io::Fd fd, std::span<const io::IoVector> vectors);
    int64_t send(io::Fd fd, std::span<const io::IoVector> vectors);
    void shut_down(io::Fd fd, io::ShutdownKind kind);
    void close(io::Fd fd);
    Connection* connection_of(io::Fd fd);
    uint32_t open_count() const { return open_count_; }
    uint32_t serving_count() const;  // Of them, those that are not being closed.

    // The process that served is gone.
    void end_of_server();
    void heal() { is_healed_ = true; }

    void happen(const Event& event);
    void wait_to_accept(io::Completion& completion) { acceptor_ = &completion; }
    void stop_waiting(io::Completion& completion);
    bool can_accept() const { return !backlog_.empty(); }

    // What the server may try again, because of what happened.
    std::vector<io::Completion*>& woken() { return woken_; }

  private:
    static constexpr uint32_t first_fd = 4;

    uint64_t delay_ns();
    void pump_to_server(uint32_t index);
    void pump_to_client(uint32_t index);
    void deliver_to_client(Connection& connection);
    void wake(io::Completion*& waiting);
    void settle(Connection& connection, uint32_t index);
    uint32_t index_of(const Connection& connection) const;
    size_t partial(size_t size, uint64_t chance);

    const Swarm& swarm_;
    EventQueue& events_;
    const uint64_t& now_ns_;
    Random random_;
    uint64_t& failed_sends_;
    std::deque<Connection> connections_;
    std::deque<uint32_t> backlog_;
    std::vector<int64_t> fds_;  // From first_fd on: the connection, or -1.
    io::Completion* acceptor_ = nullptr;
    std::vector<io::Completion*> woken_;
    uint32_t open_count_ = 0;
    bool is_listening_ = false;
    bool is_healed_ = false;
};

}  // namespace blockd::simulation
