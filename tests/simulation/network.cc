#include "simulation/network.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blockd::simulation {

void Pipe::pop(size_t count) {
    begin += count;
    arrived -= count;
    departed -= count;
    if (begin == bytes.size()) {
        bytes.clear();
        begin = 0;
    } else if (begin > 1u << 16 && begin > bytes.size() / 2) {
        bytes.erase(bytes.begin(), bytes.begin() + int64_t(begin));
        begin = 0;
    }
}

Network::Network(const Swarm& swarm, EventQueue& events, const uint64_t& now_ns, uint64_t seed,
                 uint64_t& failed_sends)
    : swarm_(swarm),
      events_(events),
      now_ns_(now_ns),
      random_(seed, 3),
      failed_sends_(failed_sends) {}

uint64_t Network::delay_ns() { return 1 + random_.below(2 * swarm_.delay_ns); }

size_t Network::partial(size_t size, uint64_t chance) {
    return size > 1 && random_.chance(chance, 10'000) ? random_.between(1, size) : size;
}

uint32_t Network::connect(Peer& peer) {
    const uint32_t index = uint32_t(connections_.size());
    Connection& connection = connections_.emplace_back();
    connection.peer = connection.owner = &peer;
    if (!is_listening_) {
        connection.is_settled = true;
        connection.is_server_closed = true;
        events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
        return index;
    }
    backlog_.push_back(index);
    if (acceptor_ != nullptr) wake(acceptor_);
    return index;
}

void Network::send(uint32_t index, std::span<const std::byte> bytes) {
    Connection& connection = connections_[index];
    ASSERT(!connection.is_client_closed);
    connection.to_server.push(bytes);
    pump_to_server(index);
}

uint64_t Network::unsent_size(uint32_t index) const {
    const Pipe& pipe = connections_[index].to_server;
    return pipe.size() - pipe.departed;
}

// As much as the server's window takes sets out, in segments.
void Network::pump_to_server(uint32_t index) {
    Connection& connection = connections_[index];
    Pipe& pipe = connection.to_server;
    if (connection.is_server_closed) {
        // Nobody is there: what arrives is answered with a reset.
        if (pipe.size() > pipe.departed && connection.peer != nullptr) {
            events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
        }
        return;
    }
    while (pipe.departed < pipe.size() && pipe.departed < swarm_.to_server_window) {
        const size_t room =
            std::min<size_t>(pipe.size() - pipe.departed, swarm_.to_server_window - pipe.departed);
        const size_t segment = partial(room, swarm_.partial_receive_chance);
        pipe.departed += segment;
        pipe.last_arrival_ns = std::max(pipe.last_arrival_ns + 1, now_ns_ + delay_ns());
        events_.schedule(pipe.last_arrival_ns, EventKind::bytes_reach_server, index, segment);
    }
    if (pipe.is_ending && pipe.departed == pipe.size() && !pipe.is_ended) {
        pipe.last_arrival_ns = std::max(pipe.last_arrival_ns + 1, now_ns_ + delay_ns());
        events_.schedule(pipe.last_arrival_ns, EventKind::client_end_reaches_server, index);
        pipe.is_ending = false;
    }
}

void Network::pump_to_client(uint32_t index) {
    Connection& connection = connections_[index];
    Pipe& pipe = connection.to_client;
    while (pipe.departed < pipe.size()) {
        const size_t segment = partial(pipe.size() - pipe.departed, swarm_.partial_receive_chance);
        pipe.departed += segment;
        pipe.last_arrival_ns = std::max(pipe.last_arrival_ns + 1, now_ns_ + delay_ns());
        events_.schedule(pipe.last_arrival_ns, EventKind::bytes_reach_client, index, segment);
    }
    if (pipe.is_ending) {
        pipe.is_ending = false;
        pipe.last_arrival_ns = std::max(pipe.last_arrival_ns + 1, now_ns_ + delay_ns());
        events_.schedule(pipe.last_arrival_ns, EventKind::server_end_reaches_client, index);
    }
}

void Network::end_sending(uint32_t index) {
    connections_[index].to_server.is_ending = true;
    pump_to_server(index);
}

void Network::close(uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.is_client_closed) return;
    connection.is_client_closed = true;
    connection.peer = nullptr;
    // Bytes that it leaves unread reset the connection, as they do in the real world.
    if (connection.to_client.arrived > 0) return reset(index);
    end_sending(index);
}

void Network::reset(uint32_t index) {
    Connection& connection = connections_[index];
    connection.is_client_closed = true;
    connection.peer = nullptr;
    Pipe& pipe = connection.to_server;
    pipe.last_arrival_ns = std::max(pipe.last_arrival_ns + 1, now_ns_ + delay_ns());
    events_.schedule(pipe.last_arrival_ns, EventKind::reset_reaches_server, index);
}

void Network::pause(uint32_t index, bool is_paused) {
    Connection& connection = connections_[index];
    connection.is_client_paused = is_paused;
    if (!is_paused) deliver_to_client(connection);
}

bool Network::is_server_waiting_to_send(uint32_t index) const {
    return connections_[index].writer != nullptr;
}

bool Network::is_server_waiting_to_receive(uint32_t index) const {
    return connections_[index].reader != nullptr;
}

bool Network::is_open_at_server(uint32_t index) const {
    const Connection& connection = connections_[index];
    return connection.fd != io::Fd::none && !connection.is_server_closed &&
           !connection.is_send_shut;
}

void Network::stop_listening() {
    is_listening_ = false;
    for (const uint32_t index : backlog_) {
        connections_[index].is_server_closed = true;
        settle(connections_[index], index);
        events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
    }
    backlog_.clear();
}

Connection* Network::connection_of(io::Fd fd) {
    const size_t index = size_t(fd) - first_fd;
    if (fd < io::Fd(first_fd) || index >= fds_.size() || fds_[index] < 0) return nullptr;
    return &connections_[size_t(fds_[index])];
}

uint32_t Network::index_of(const Connection& connection) const {
    return uint32_t(fds_[size_t(connection.fd) - first_fd]);
}

uint32_t Network::serving_count() const {
    return uint32_t(std::ranges::count_if(fds_, [&](int64_t index) {
        return index >= 0 && !connections_[size_t(index)].is_receive_shut;
    }));
}

int64_t Network::accept() {
    if (backlog_.empty()) return -EAGAIN;
    if (!is_healed_ && random_.chance(swarm_.no_descriptor_chance, 10'000)) return -EMFILE;
    const uint32_t index = backlog_.front();
    backlog_.pop_front();
    Connection& connection = connections_[index];
    if (!is_healed_ && random_.chance(swarm_.aborted_accept_chance, 10'000)) {
        connection.is_server_closed = true;
        settle(connection, index);
        events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
        return -ECONNABORTED;
    }
    // The lowest number that is free, as a kernel gives it.
    size_t slot = 0;
    while (slot < fds_.size() && fds_[slot] >= 0) ++slot;
    if (slot == fds_.size()) fds_.push_back(-1);
    fds_[slot] = index;
    connection.fd = io::Fd(int32_t(slot + first_fd));
    ++open_count_;
    return int64_t(connection.fd);
}

int64_t Network::receive(io::Fd fd, std::span<const io::IoVector> vectors) {
    Connection& connection = *connection_of(fd);
    Pipe& pipe = connection.to_server;
    if (connection.is_receive_shut) return 0;
    const bool is_over = pipe.arrived == 0 || !connection.delivers_before_reset;
    if (connection.is_reset_at_server && is_over) {
        settle(connection, index_of(connection));
        return -ECONNRESET;
    }
    if (pipe.arrived == 0 && pipe.is_ended) {
        settle(connection, index_of(connection));
        return 0;
    }
    if (pipe.arrived == 0) return -EAGAIN;
    size_t wanted = 0;
    for (const io::IoVector& vector : vectors) wanted += vector.size;
    const size_t size = partial(std::min(wanted, pipe.arrived), swarm_.partial_receive_chance);
    size_t copied = 0;
    for (const io::IoVector& vector : vectors) {
        const size_t count = std::min(vector.size, size - copied);
        std::memcpy(vector.base, pipe.front(size).data() + copied, count);
        copied += count;
    }
    pipe.pop(size);
    connection.received_size += size;
    pump_to_server(index_of(connection));
    return int64_t(size);
}

int64_t Network::send(io::Fd fd, std::span<const io::IoVector> vectors) {
    Connection& connection = *connection_of(fd);
    Pipe& pipe = connection.to_client;
    if (connection.is_send_shut || connection.is_reset_at_server) return -EPIPE;
    if (connection.is_client_closed) {
        // The first one is taken, and answered with a reset.
        connection.is_reset_at_server = true;
        connection.delivers_before_reset = random_.coin();
    }
    if (!is_healed_ && random_.chance(swarm_.send_error_chance, 10'000)) {
        connection.had_failed_send = true;
        ++failed_sends_;
        return -ENOBUFS;
    }
    if (pipe.size() >= swarm_.to_client_window) return -EAGAIN;
    size_t room = swarm_.to_client_window - pipe.size();
    size_t offered = 0;
    for (const io::IoVector& vector : vectors) offered += vector.size;
    room = partial(std::min(room, offered), swarm_.partial_send_chance);
    size_t sent = 0;
    for (const io::IoVector& vector : vectors) {
        const size_t count = std::min(vector.size, room - sent);
        if (!connection.is_client_closed) {
            pipe.push({static_cast<const std::byte*>(vector.base), count});
        }
        sent += count;
    }
    pump_to_client(index_of(connection));
    return int64_t(sent);
}

void Network::shut_down(io::Fd fd, io::ShutdownKind kind) {
    Connection& connection = *connection_of(fd);
    if (kind != io::ShutdownKind::send) {
        connection.is_receive_shut = true;
        wake(connection.reader);
    }
    if (kind != io::ShutdownKind::receive && !connection.is_send_shut) {
        connection.is_send_shut = true;
        connection.to_client.is_ending = true;
        wake(connection.writer);
        pump_to_client(index_of(connection));
    }
}

// Bytes that the server leaves unread reset the connection: the client may lose what was sent.
void Network::close(io::Fd fd) {
    if (fd == listener()) return stop_listening();
    Connection& connection = *connection_of(fd);
    const uint32_t index = index_of(connection);
    ASSERT(connection.reader == nullptr && connection.writer == nullptr);
    connection.is_server_closed = true;
    settle(connection, index);
    fds_[size_t(fd) - first_fd] = -1;
    --open_count_;
    if (connection.to_server.size() > 0) {
        events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
    } else if (!connection.is_send_shut) {
        connection.is_send_shut = true;
        connection.to_client.is_ending = true;
        pump_to_client(index);
    }
}

void Network::settle(Connection& connection, uint32_t index) {
    if (connection.is_settled) return;
    connection.is_settled = true;
    connection.owner->settled(index, connection.received_size);
}

void Network::end_of_server() {
    is_listening_ = false;
    acceptor_ = nullptr;
    woken_.clear();
    fds_.clear();
    backlog_.clear();
    open_count_ = 0;
    for (uint32_t index = 0; index < connections_.size(); ++index) {
        Connection& connection = connections_[index];
        connection.reader = connection.writer = nullptr;
        if (connection.is_server_closed) continue;
        connection.is_server_closed = true;
        settle(connection, index);
        events_.schedule(now_ns_ + delay_ns(), EventKind::reset_reaches_client, index);
    }
}

void Network::wake(io::Completion*& waiting) {
    if (waiting == nullptr) return;
    woken_.push_back(waiting);
    waiting = nullptr;
}

void Network::stop_waiting(io::Completion& completion) {
    if (acceptor_ == &completion) acceptor_ = nullptr;
    if (Connection* const connection = connection_of(completion.operation.fd)) {
        if (connection->reader == &completion) connection->reader = nullptr;
        if (connection->writer == &completion) connection->writer = nullptr;
    }
    std::erase(woken_, &completion);
}

void Network::deliver_to_client(Connection& connection) {
    Pipe& pipe = connection.to_client;
    if (connection.is_client_paused) return;
    // What it is told may make it close.
    if (pipe.arrived > 0 && connection.peer != nullptr) {
        const std::vector<std::byte> bytes(pipe.front(pipe.arrived).begin(),
                                           pipe.front(pipe.arrived).end());
        pipe.pop(pipe.arrived);
        connection.peer->received(bytes);
    } else if (connection.peer == nullptr) {
        pipe.pop(pipe.arrived);
    }
    wake(connection.writer);
    if (pipe.is_ended && connection.peer != nullptr) connection.peer->server_hung_up();
}

void Network::happen(const Event& event) {
    Connection& connection = connections_[event.index];
    switch (event.kind) {
        case EventKind::bytes_reach_server:
            if (connection.is_server_closed) return;
            connection.to_server.arrived += event.value;
            return wake(connection.reader);
        case EventKind::client_end_reaches_server:
            connection.to_server.is_ended = true;
            return wake(connection.reader);
        case EventKind::reset_reaches_server:
            if (connection.is_server_closed) return;
            connection.is_reset_at_server = true;
            connection.delivers_before_reset = random_.coin();
            std::erase(backlog_, event.index);
            if (connection.fd == io::Fd::none) {
                connection.is_server_closed = true;
                return settle(connection, event.index);
            }
            wake(connection.reader);
            return wake(connection.writer);
        case EventKind::bytes_reach_client:
            connection.to_client.arrived += event.value;
            return deliver_to_client(connection);
        case EventKind::server_end_reaches_client:
            connection.to_client.is_ended = true;
            return deliver_to_client(connection);
        case EventKind::reset_reaches_client:
            connection.is_client_closed = true;
            if (Peer* const peer = std::exchange(connection.peer, nullptr)) peer->was_reset();
            return;
        default: ASSERT(false);
    }
}

}  // namespace blockd::simulation
