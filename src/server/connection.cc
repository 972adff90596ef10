#include "server/connection.h"

#include <blockd/assert.h>

#include <algorithm>

namespace blockd::server {

Connection::Connection(ConnectionContext& context, const Options& options)
    : context_(context), socket_(options.socket), id_(options.id), client_(options.client) {
    admission_waiter_.retry = io::bind<&Connection::admission_retry>(this);
    handshake_.emplace(context.exports);
    context.negotiating.push_back(*this);
}

Connection::~Connection() {
    ASSERT(slots_in_use_ == 0);
    ASSERT(bytes_in_use_ == 0);
    ASSERT(!admission_waiter_.link.is_linked);
}

void Connection::start() {
    set_deadline(deadline_ns_, context_.limits.handshake_timeout_ns);
    negotiate();
}

void Connection::stop_negotiating() {
    if (negotiating_link.is_linked) context_.negotiating.remove(*this);
}

void Connection::begin_serving() {
    ASSERT(state_ == State::negotiating);
    stop_negotiating();
    const nbd::ServerHandshake::Negotiated negotiated = handshake_->negotiated();
    handshake_.reset();
    export_ = &context_.exports.at(negotiated.export_index);
    attach_number_ = export_->attach();
    request_limits_ = {.export_size = export_->disk.size(),
                       .flags = negotiated.flags,
                       .has_base_allocation = negotiated.has_base_allocation};
    reply_format_ = {.is_structured = negotiated.has_structured_replies,
                     .base_allocation_id = negotiated.base_allocation_id};
    state_ = State::serving;
    deadline_ns_ = 0;
    context_.log.write(LogLevel::info, "client attached",
                       {{"connection", id_}, {"client", client_}, {"export", export_->name}});
    process();
}

void Connection::drain() {
    switch (state_) {
        case State::negotiating:
            handshake_->shut_down();
            end_reason_ = "the server shuts down";
            is_drain_wanted_ = true;  // The reply to its GO may be on its way.
            set_deadline(deadline_ns_,
                         std::min(context_.limits.shutdown_grace_ns, negotiation_grace_ns));
            return;
        case State::serving:
            end_reason_ = "the server shuts down";
            is_drain_wanted_ = true;
            if (payload_slot_ == nullptr) begin_draining(end_reason_);
            return;
        case State::draining:
        case State::lingering:
        case State::closing: return;
    }
}

void Connection::begin_draining(const char* reason) {
    ASSERT(state_ == State::serving || state_ == State::negotiating);
    state_ = State::draining;
    end_reason_ = reason;
    stop_negotiating();
    stop_waiting_for_room();
    drop_payload();
    if (!receive_completion_.is_idle()) context_.loop.cancel(receive_completion_);
    finish_if_drained();
}

void Connection::stop_waiting_for_room() {
    context_.admission.leave(admission_waiter_);
    is_waiting_for_own_ = false;
    payload_deadline_ns_ = 0;
}

// A payload that will never be whole: nothing of it is applied. Nothing is being received into it.
void Connection::drop_payload() {
    if (payload_slot_ == nullptr) return;
    ASSERT(receive_completion_.is_idle());
    context_.admission.end_payload(payload_slot_->footprint);
    RequestSlot& slot = *payload_slot_;
    payload_slot_ = nullptr;
    payload_deadline_ns_ = 0;
    release(slot);
}

// Once everything is answered the client is told so, and given a moment to hang up first: closing
// with bytes of its unread would reset the connection, and could cost it the last replies.
void Connection::finish_if_drained() {
    if (state_ != State::draining) return;
    if (slots_in_use_ > 0 || !replies_.is_empty()) return;
    if (!send_completion_.is_idle() || !send_tick_completion_.is_idle()) return;
    if (!receive_completion_.is_idle()) return;

    state_ = State::lingering;
    unread_begin_ = unread_end_ = 0;
    context_.loop.shutdown(socket_, io::ShutdownKind::send);
    set_deadline(deadline_ns_, linger_ns);
    receive();
}

void Connection::abort(const char* reason) {
    if (state_ == State::closing) return;
    const bool is_draining = is_drain_wanted_ && state_ != State::negotiating;
    if (end_reason_[0] == '\0' || is_draining) {
        end_reason_ = reason;
        is_to_blame_ = true;
    }
    begin_closing();
}

// The socket says that nobody is there any more. Clients leave in this way, too.
void Connection::hung_up() {
    if (end_reason_[0] == '\0') end_reason_ = "it hung up";
    begin_closing();
}

void Connection::begin_closing() {
    ASSERT(state_ != State::closing);
    state_ = State::closing;
    stop_negotiating();
    stop_waiting_for_room();
    context_.loop.shutdown(socket_, io::ShutdownKind::both);
    context_.loop.cancel_fd(socket_);
    context_.loop.cancel(timer_);
    close_if_idle();
}

// A disk operation that works for this connection, and a send that reads a reply's memory, are
// waited for. They end by themselves.
void Connection::close_if_idle() {
    ASSERT(state_ == State::closing);
    if (!send_completion_.is_idle() || !receive_completion_.is_idle()) return;
    drop_payload();
    RequestList dropped;
    replies_.clear(dropped);
    release_all(dropped);
    if (slots_in_use_ > 0 || !timer_.is_idle()) return;
    if (!send_tick_completion_.is_idle() || !process_tick_completion_.is_idle()) return;
    if (!close_completion_.is_idle()) return;
    log_end();
    context_.loop.close(close_completion_, {.fd = socket_},
                        io::bind<&Connection::close_done>(this));
}

void Connection::close_done(Result<Ok>) { context_.ended(this); }

void Connection::log_end() {
    const std::string_view name = export_ == nullptr ? std::string_view() : export_->name;
    context_.log.write(is_to_blame_ ? LogLevel::warning : LogLevel::info, "client gone",
                       {{"connection", id_},
                        {"client", client_},
                        {"export", name},
                        {"reason", std::string_view(end_reason_)},
                        {"requests", requests_count_}});
}

// One timer serves all deadlines. Moving a deadline back costs nothing: the timer fires at the old
// time, and is set anew.
void Connection::set_deadline(uint64_t& deadline_ns, uint64_t after_ns) {
    deadline_ns = context_.loop.now_ns() + after_ns;
    if (timer_.is_idle()) return arm_timer();
    if (deadline_ns < timer_deadline_ns_) context_.loop.cancel(timer_);
}

// 0: there is none.
uint64_t Connection::next_deadline_ns() const {
    if (deadline_ns_ == 0 || payload_deadline_ns_ == 0) {
        return std::max(deadline_ns_, payload_deadline_ns_);
    }
    return std::min(deadline_ns_, payload_deadline_ns_);
}

void Connection::arm_timer() {
    const uint64_t now_ns = context_.loop.now_ns();
    timer_deadline_ns_ = next_deadline_ns();
    const uint64_t left_ns = timer_deadline_ns_ > now_ns ? timer_deadline_ns_ - now_ns : 0;
    context_.loop.timeout(timer_, {.after_ns = left_ns}, io::bind<&Connection::timer_done>(this));
}

void Connection::timer_done(Result<Ok>) {
    if (state_ == State::closing) return close_if_idle();
    const uint64_t now_ns = context_.loop.now_ns();
    if (next_deadline_ns() == 0) return;
    if (next_deadline_ns() > now_ns) return arm_timer();
    if (payload_deadline_ns_ != 0 && payload_deadline_ns_ <= now_ns) {
        return abort("it did not send a write's payload in time");
    }
    switch (state_) {
        case State::negotiating: return abort("it did not finish the negotiation in time");
        case State::serving:
        case State::draining: return abort("it did not take its replies in time");
        case State::lingering: return begin_closing();
        case State::closing: ASSERT(false);
    }
}

}  // namespace blockd::server
