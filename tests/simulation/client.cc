#include "simulation/client.h"

#include <blockd/assert.h>

#include <algorithm>

namespace blockd::simulation {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t reconnect_ns_max = 100'000'000;
constexpr uint64_t stall_slack_ns = 2 * second_ns;

// Whether all that can be in flight travels within the transfer timeout, with room to spare. On a
// slower network a server rightly takes its client for one that stalls.
bool is_network_fast(const Swarm& swarm) {
    constexpr uint64_t turn_ns = 2'000'000;  // Of a window: operations that are slow, small parts.
    const uint64_t largest = swarm.maximal_chance > 0 ? swarm.disk_size : swarm.request_size_max;
    const uint64_t window = std::min(swarm.to_server_window, swarm.to_client_window);
    const uint64_t windows = swarm.depth * largest / window + 1;
    return windows * (8 * swarm.delay_ns + turn_ns) < swarm.transfer_timeout_ns;
}

}  // namespace

Client::Client(Surroundings& surroundings, Network& network, uint32_t index)
    : surroundings_(surroundings),
      network_(network),
      index_(index),
      random_(surroundings.seed, 100 + index) {}

void Client::start() { schedule(random_.below(reconnect_ns_max)); }

// The last one counts: what was scheduled before is void.
void Client::schedule(uint64_t after_ns) {
    is_act_scheduled_ = true;
    surroundings_.events.schedule(surroundings_.now_ns + 1 + after_ns, EventKind::client_acts,
                                  index_, ++act_generation_);
}

void Client::act(uint64_t generation) {
    if (generation != act_generation_) return;
    is_act_scheduled_ = false;
    if (state_ == State::away) {
        if (!is_leaving_) connect();
        return;
    }
    if (stall_ != Stall::none) return watch_stall();
    if (!may_send()) return;
    if (!surroundings_.is_healed) misbehave();
    if (may_send()) issue();
}

void Client::connect() {
    input_.clear();
    input_begin_ = 0;
    sent_size_ = 0;
    has_greeting_ = is_structured_ = false;
    context_id_ = 0;
    has_said_goodbye_ = has_ended_sending_ = false;
    may_lose_replies_ = !is_network_fast(surroundings_.swarm);
    options_.clear();
    options_sent_ = options_answered_ = 0;
    outstanding_count_ = 0;
    requests_.assign(surroundings_.swarm.depth, {});
    state_ = State::connecting;
    sync_faults_before_ = surroundings_.sync_faults_before;
    ++surroundings_.figures.connections;
    connection_ = network_.connect(*this);
    if (!surroundings_.is_healed && may(10 * surroundings_.swarm.stall_client_chance)) {
        begin_stall(Stall::negotiating);
    }
}

void Client::misbehave() {
    const Swarm& swarm = surroundings_.swarm;
    if (may(swarm.reset_chance)) return hang_up(true);
    if (may(swarm.disconnect_chance)) {
        if (random_.coin()) return hang_up(false);
        Request goodbye{.cookie = ~uint64_t(0), .command = support::wire::cmd_disconnect};
        send_request(goodbye);
        has_said_goodbye_ = true;
        return;
    }
    if (may(swarm.half_close_chance)) {
        has_ended_sending_ = true;
        return network_.end_sending(connection_);
    }
    if (may(swarm.cut_off_chance)) return cut_off_a_write(false);
    if (may(swarm.stall_payload_chance)) return cut_off_a_write(true);
    if (may(swarm.stall_client_chance)) begin_stall(Stall::reading);
}

// Sends the beginning of a write, and then nothing more.
void Client::cut_off_a_write(bool goes_on_silently) {
    Request request{.command = support::wire::cmd_write};
    choose_cells(request, surroundings_.swarm.request_size_max);
    request.write =
        surroundings_.history.begin_write(WriteKind::data, request.offset, request.size);
    payload_.resize(request.size);
    surroundings_.history.fill(request.write, payload_);
    std::string bytes = support::request_bytes({.command = request.command,
                                                .flags = 0,
                                                .cookie = ~uint64_t(1),
                                                .offset = request.offset,
                                                .size = request.size});
    const uint64_t whole_size = bytes.size() + payload_.size();
    bytes.append(reinterpret_cast<const char*>(payload_.data()), payload_.size());
    // A client that is silent inside a header is only idle.
    const uint64_t least = goes_on_silently ? bytes.size() - payload_.size() : 1;
    bytes.resize(random_.between(least, whole_size - 1));
    network_.send(connection_, std::as_bytes(std::span(bytes)));
    unsettled_.push_back(
        {.connection = connection_, .write = request.write, .stream_end = sent_size_ + whole_size});
    sent_size_ += bytes.size();
    ++surroundings_.figures.connections_cut;
    may_lose_replies_ = true;
    if (goes_on_silently) return begin_stall(Stall::payload);
    hang_up(random_.coin());
}

void Client::begin_stall(Stall stall) {
    stall_ = stall;
    may_lose_replies_ = true;
    is_stall_watched_ = false;
    ++surroundings_.figures.stalled_clients;
    if (stall == Stall::reading) network_.pause(connection_, true);
    schedule(random_.below(2 * surroundings_.swarm.transfer_timeout_ns));
}

// A client that stalls is watched for as long as the server may put up with it.
void Client::watch_stall() {
    const Swarm& swarm = surroundings_.swarm;
    bool is_held = network_.is_open_at_server(connection_);
    if (stall_ == Stall::reading) is_held = network_.is_server_waiting_to_send(connection_);
    // While the server waits for room for the write it does not wait for the client.
    if (stall_ == Stall::payload) is_held = network_.is_server_waiting_to_receive(connection_);
    if (is_held && is_stall_watched_) {
        return complain(stall_ == Stall::reading   ? "takes no replies, and is kept"
                        : stall_ == Stall::payload ? "sends no payload, and is kept"
                                                   : "does not negotiate, and is kept");
    }
    // Until all it has sent has arrived, it is not the client that the server waits for.
    const bool is_travelling = network_.received_size(connection_) < sent_size_;
    if (is_held && (stall_ == Stall::reading || !is_travelling)) {
        is_stall_watched_ = true;
        const uint64_t patience_ns =
            stall_ == Stall::negotiating ? swarm.handshake_timeout_ns : swarm.transfer_timeout_ns;
        return schedule(patience_ns + stall_slack_ns);
    }
    const Stall ended = stall_;
    stall_ = Stall::none;
    if (ended != Stall::reading) return hang_up(true);
    network_.pause(connection_, false);
    if (state_ == State::serving) schedule(0);
}

void Client::hang_up(bool is_abrupt) {
    if (stall_ == Stall::reading) network_.pause(connection_, false);
    if (state_ == State::away) return;
    is_abrupt ? network_.reset(connection_) : network_.close(connection_);
    ++surroundings_.figures.connections_cut;
    gone();
}

void Client::gone() {
    for (Request& request : requests_) {
        if (!request.is_outstanding) continue;
        request.is_outstanding = false;
        if (request.write == 0) continue;
        unsettled_.push_back(
            {.connection = connection_, .write = request.write, .stream_end = request.stream_end});
    }
    outstanding_count_ = 0;
    stall_ = Stall::none;
    state_ = State::away;
    // The server may have been done with it before it heard of that.
    if (network_.is_settled(connection_)) {
        settled(connection_, network_.received_size(connection_));
    }
    if (is_finishing_ && operations_left_ == 0) is_leaving_ = true;
    if (!is_leaving_) schedule(random_.below(reconnect_ns_max));
}

void Client::server_hung_up() {
    judge_end();
    network_.close(connection_);
    gone();
}

void Client::was_reset() {
    judge_end();
    gone();
}

// Whoever is served, and has given no reason, is served until it leaves.
void Client::judge_end() {
    const bool may_end = may_lose_replies_ || network_.had_failed_send(connection_);
    if (state_ != State::serving || may_end) return;
    const bool is_its_own = has_said_goodbye_ || has_ended_sending_;
    if (is_its_own && outstanding_count_ == 0) return;
    complain("was left: the server ended the connection; " + describe());
}

// Nothing can be done for these requests any more: neither for those that wait for an answer.
void Client::settled(uint32_t connection, uint64_t received_size) {
    const auto settle = [&](WriteId write, uint64_t stream_end) {
        if (stream_end > received_size) {
            surroundings_.history.write_never_arrived(write);
        } else {
            surroundings_.history.write_settled(write);
        }
    };
    std::erase_if(unsettled_, [&](const Unsettled& unsettled) {
        if (unsettled.connection != connection) return false;
        settle(unsettled.write, unsettled.stream_end);
        return true;
    });
    if (connection != connection_ || state_ == State::away) return;
    for (const Request& request : requests_) {
        if (request.is_outstanding && request.write != 0) settle(request.write, request.stream_end);
    }
}

void Client::finish(uint64_t operations) {
    if (stall_ != Stall::none || has_said_goodbye_ || has_ended_sending_) hang_up(true);
    is_finishing_ = true;
    operations_left_ = operations;
    if (may_send()) schedule(0);
}

void Client::leave() {
    is_leaving_ = true;
    if (state_ == State::away) return;
    network_.close(connection_);
    gone();
}

void Client::complain(const std::string& text) {
    surroundings_.complain("client " + std::to_string(index_) + " " + text);
}

std::string Client::describe() const {
    std::string text = "client " + std::to_string(index_) + ": ";
    text += state_ == State::away          ? "away"
            : state_ == State::connecting  ? "connecting"
            : state_ == State::negotiating ? "negotiating"
                                           : "serving";
    if (has_said_goodbye_) text += ", has disconnected";
    if (has_ended_sending_) text += ", has ended sending";
    if (unread().size() > 0) text += ", has " + std::to_string(unread().size()) + " bytes unread";
    for (const Request& request : requests_) {
        if (!request.is_outstanding) continue;
        text += ", waits for command " + std::to_string(request.command) + " at offset " +
                std::to_string(request.offset) + " of " + std::to_string(request.size) + " bytes";
    }
    return text;
}

}  // namespace blockd::simulation
