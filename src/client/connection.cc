// The connection's life: addresses, negotiation, closing. The requests stand in requests.cc.
#include "client/connection.h"

#include <algorithm>
#include <utility>

namespace blockd::client {

namespace {

// Why there is no connection, in words that go behind "cannot connect to X: ".
std::string words_of_connect_failure(const Error& error, const io::Address& address) {
    const std::string place = address.text();
    switch (error.code) {
        case ErrorCode::connection_refused: return "nobody listens on " + place;
        case ErrorCode::not_found: return "there is no socket " + place;
        case ErrorCode::permission: return "the system does not permit it: " + place;
        case ErrorCode::unreachable: return "no way leads to " + place;
        case ErrorCode::timed_out: return "no answer from " + place;
        default:
            return "the system refuses " + place + " (errno " + std::to_string(error.os_errno) +
                   ")";
    }
}

}  // namespace

Connection::Connection(io::Loop& loop) : loop_(loop) {}

Connection::~Connection() {
    ASSERT(state_ == State::closed);
    ASSERT(queue_.is_empty());
}

void Connection::connect(const Client::ConnectOptions& options, Goal goal,
                         io::Callback<Result<Ok>> done) {
    ASSERT(state_ == State::closed);
    ASSERT(options.depth > 0 && options.depth <= depth_max);
    options_ = options;
    goal_ = goal;
    connect_callback_ = done;
    state_ = State::connecting;
    address_index_ = 0;
    failure_.reset();
    failure_text_.clear();
    is_disconnect_sent_ = false;
    info_ = {};
    listed_.clear();
    handshake_.emplace(nbd::ClientHandshake::Options{
        .goal = goal,
        .export_name = options.export_name,
        .wants_base_allocation = options.wants_block_status,
    });
    parser_.reset();
    batch_.clear();
    slots_.assign(options.depth, nullptr);
    free_slots_.clear();
    for (uint32_t slot = options.depth; slot > 0; --slot) free_slots_.push_back(uint16_t(slot - 1));
    loop_.timeout(timeout_, {.after_ns = options.timeout_ns},
                  io::bind<&Connection::timeout_done>(this));
    // Never calls back inside the call: an address may fail at once.
    if (tick_.is_idle()) loop_.next_tick(tick_, io::bind<&Connection::pump_done>(this));
}

void Connection::timeout_done(Result<Ok> result) {
    const bool is_too_late = state_ != State::connecting && state_ != State::negotiating;
    if (!result || is_too_late) return close_when_idle();
    const std::string after = std::to_string(options_.timeout_ns / 1'000'000) + " ms";
    const char* const missing =
        state_ == State::connecting ? "no answer within " : "the negotiation took longer than ";
    fail({ErrorCode::timed_out, 0, "connect"}, missing + after);
}

void Connection::connect_next() {
    if (handshake_->status() == nbd::ClientHandshake::Status::refused) {
        return fail({handshake_->failure_code(), 0, "check export name"},
                    handshake_->failure_text());
    }
    while (address_index_ < options_.addresses.size()) {
        const Result<io::Fd> socket = loop_.open_socket(address().family());
        if (socket) {
            socket_ = *socket;
            return loop_.connect(connect_, {.socket = socket_, .address = &address()},
                                 io::bind<&Connection::connect_done>(this));
        }
        failure_ = socket.error();
        failure_text_ = words_of_connect_failure(*failure_, address());
        ++address_index_;
    }
    const Error error = failure_.value_or(Error{ErrorCode::invalid, 0, "connect"});
    fail(error, failure_text_.empty() ? "there is no address to connect to" : failure_text_);
}

void Connection::connect_done(Result<Ok> result) {
    if (state_ == State::closing) return close_when_idle();
    ASSERT(state_ == State::connecting);
    if (result) {
        failure_.reset();
        failure_text_.clear();
        state_ = State::negotiating;
        return receive();
    }
    failure_ = result.error();
    failure_text_ = words_of_connect_failure(*failure_, address());
    loop_.close(close_, {std::exchange(socket_, io::Fd::none)},
                io::bind<&Connection::failed_socket_closed>(this));
}

void Connection::failed_socket_closed(Result<Ok>) {
    if (state_ == State::closing) return close_when_idle();
    ++address_index_;
    connect_next();
}

void Connection::negotiate() {
    const size_t taken_size = handshake_->feed(unparsed_);
    unparsed_ = unparsed_.subspan(taken_size);
    send_negotiation();
    conclude_negotiation();
}

void Connection::send_negotiation() {
    const std::span<const std::byte> output = handshake_->output();
    if (output.empty() || !send_.is_idle()) return;
    negotiation_vector_ = {const_cast<std::byte*>(output.data()), output.size()};
    loop_.send(send_, {.socket = socket_, .vectors = std::span(&negotiation_vector_, 1)},
               io::bind<&Connection::send_done>(this));
}

void Connection::negotiation_sent(Result<uint32_t> result) {
    // The server may hang up on the ABORT that ends a list or a refusal: that is no news.
    const bool is_over = handshake_->status() != nbd::ClientHandshake::Status::negotiating;
    if (!result && !is_over) {
        return fail(result.error(), "the connection broke during the negotiation");
    }
    handshake_->consume_output(result ? *result : handshake_->output().size());
    send_negotiation();
    conclude_negotiation();
}

// Goes on once all that the handshake had to say is sent.
void Connection::conclude_negotiation() {
    using Status = nbd::ClientHandshake::Status;
    const Status status = handshake_->status();
    if (status == Status::broken) {
        return fail({handshake_->failure_code(), 0, "negotiate"}, handshake_->failure_text());
    }
    if (status == Status::negotiating) {
        if (recv_.is_idle()) receive();
        return;
    }
    if (!handshake_->output().empty() || !send_.is_idle()) return;
    switch (status) {
        case Status::transmission: return enter_transmission();
        case Status::listed:
            for (const nbd::ClientHandshake::Listed& each : handshake_->listed()) {
                listed_.push_back({each.name, each.description});
            }
            return close();
        default:
            ASSERT(status == Status::refused);
            return fail({handshake_->failure_code(), 0, "negotiate"}, handshake_->failure_text());
    }
}

void Connection::enter_transmission() {
    const nbd::ClientHandshake::Agreed& agreed = handshake_->agreed();
    info_ = {
        .name = agreed.name,
        .description = agreed.description,
        .size = agreed.size,
        .flags = agreed.flags,
        .block_size_minimum = agreed.block_size_minimum,
        .block_size_preferred = agreed.block_size_preferred,
        .block_size_maximum = agreed.block_size_maximum,
        .has_structured_replies = agreed.has_structured_replies,
        .has_base_allocation = agreed.has_base_allocation,
    };
    parser_.emplace(*this, nbd::ReplyParser::Options{
                               .has_structured_replies = agreed.has_structured_replies,
                               .has_base_allocation = agreed.has_base_allocation,
                               .base_allocation_id = agreed.base_allocation_id,
                           });
    handshake_.reset();
    state_ = State::transmission;
    loop_.cancel(timeout_);
    const io::Callback<Result<Ok>> done = std::exchange(connect_callback_, {});
    done(Ok());
    // Nothing was asked, so that bytes which came early can only be a lie; the parser says so.
    const size_t early_size = unparsed_.size();
    std::copy(unparsed_.begin(), unparsed_.end(), receive_buffer_.begin());
    unparsed_ = {};
    direct_size_ = 0;
    if (early_size > 0) received(early_size);
    pump();
    if (state_ == State::transmission) receive();
}

void Connection::disconnect(io::Callback<Result<Ok>> done) {
    ASSERT(!disconnect_callback_);
    ASSERT(!connect_callback_);
    disconnect_callback_ = done;
    pump_due();
}

void Connection::fail(Error error, std::string text) {
    if (state_ == State::closing) return;
    failure_ = error;
    failure_text_ = std::move(text);
    close();
}

void Connection::close() {
    ASSERT(state_ != State::closing && state_ != State::closed);
    state_ = State::closing;
    loop_.cancel(timeout_);
    if (socket_ != io::Fd::none) {
        loop_.shutdown(socket_, io::ShutdownKind::both);
        loop_.cancel_fd(socket_);
    }
    close_when_idle();
}

// Every callback comes here while the connection closes; the last one goes on.
void Connection::close_when_idle() {
    if (state_ != State::closing) return;
    const bool is_idle = connect_.is_idle() && recv_.is_idle() && send_.is_idle() &&
                         timeout_.is_idle() && tick_.is_idle() && close_.is_idle();
    if (!is_idle) return;
    if (socket_ == io::Fd::none) return finish_closing();
    loop_.close(close_, {std::exchange(socket_, io::Fd::none)},
                io::bind<&Connection::socket_closed>(this));
}

void Connection::socket_closed(Result<Ok>) { close_when_idle(); }

void Connection::finish_closing() {
    ASSERT(state_ == State::closing);
    fail_requests();
    // A request that was submitted just now fails in the next turn; then this runs again.
    if (!tick_.is_idle()) return;
    state_ = State::closed;
    handshake_.reset();
    call_back_closed();
}

// The last step of whoever calls it: the owner may destroy this object here.
void Connection::call_back_closed() {
    io::Callback<Result<Ok>>& waiting =
        connect_callback_ ? connect_callback_ : disconnect_callback_;
    const io::Callback<Result<Ok>> done = std::exchange(waiting, {});
    if (!done) return;
    failure_ ? done(*failure_) : done(Ok());
}

}  // namespace blockd::client
