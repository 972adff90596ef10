// The requests of a connection: queue, wire, replies.
#include "client/connection.h"

#include "nbd/printable.h"
#include "nbd/wire_error.h"

#include <algorithm>
#include <utility>

namespace blockd::client {

namespace {

constexpr Error connection_gone = {ErrorCode::connection_reset, 0, "send request"};

const char* name_of(nbd::Command command) {
    switch (command) {
        case nbd::Command::read: return "read";
        case nbd::Command::write: return "write";
        case nbd::Command::disconnect: return "disconnect";
        case nbd::Command::flush: return "flush";
        case nbd::Command::trim: return "trim";
        case nbd::Command::cache: return "cache";
        case nbd::Command::write_zeroes: return "write zeroes";
        case nbd::Command::block_status: return "block status";
    }
    return "request";
}

std::string words_of_failure(const nbd::PendingReply& pending, std::string_view said) {
    std::string text = std::string("the server failed a ") + name_of(pending.command);
    if (pending.command != nbd::Command::flush) {
        text += " of " + std::to_string(pending.size) + " bytes at offset " +
                std::to_string(pending.offset);
    }
    text += std::string(": ") + nbd::words_of(pending.error);
    if (!said.empty()) text += " (\"" + nbd::printable_front(said) + "\")";
    return text;
}

}  // namespace

void Connection::submit(Transfer& transfer, const Request& request) {
    ASSERT(transfer.is_idle());
    ASSERT(bool(request.done) != bool(request.status_done));
    transfer.state_ = Transfer::State::queued;
    transfer.is_sent_ = false;
    transfer.is_answered_ = false;
    transfer.payload_ = request.payload;
    transfer.refusal_ = find_refusal(request);
    transfer.done_ = request.done;
    transfer.status_done_ = request.status_done;
    transfer.reply_ = {
        .command = request.command,
        .flags = request.range.flags,
        .offset = request.range.offset,
        .size = uint32_t(request.range.size),
        .buffer = request.buffer,
        .extents = request.extents,
    };
    queue_.push_back(transfer);
    pump_due();
}

// What a correct caller may ask for and yet not get, found before anything is sent.
std::optional<Error> Connection::find_refusal(const Request& request) const {
    const bool has_data =
        request.command == nbd::Command::read || request.command == nbd::Command::write;
    const uint64_t size_max = has_data ? info_.block_size_maximum : UINT32_MAX;
    if (state_ != State::transmission || disconnect_callback_) {
        return failure_.value_or(connection_gone);
    }
    if (request.range.size > size_max) return Error{ErrorCode::too_large, 0, "check request"};
    if (request.command == nbd::Command::block_status && !info_.has_base_allocation) {
        return Error{ErrorCode::not_supported, 0, "check request"};
    }
    return std::nullopt;
}

// One tick carries everything that is submitted before it; a callback of ours needs none.
void Connection::pump_due() {
    if (is_in_callback_ || !tick_.is_idle()) return;
    loop_.next_tick(tick_, io::bind<&Connection::pump_done>(this));
}

void Connection::pump_done(Result<Ok>) {
    switch (state_) {
        case State::connecting:
            // The tick that connect() asked for, not one of a request that came too early.
            if (connect_.is_idle() && close_.is_idle() && address_index_ == 0) connect_next();
            return;
        case State::negotiating: return;
        case State::transmission: return pump();
        case State::closing: return close_when_idle();
        case State::closed: break;
    }
    fail_requests();
    call_back_closed();
}

// Sends what waits, as much as the depth allows.
void Connection::pump() {
    if (state_ != State::transmission || !send_.is_idle()) return;
    if (batch_.is_empty()) {
        batch_.clear();
        fill_batch();
    }
    if (batch_.is_empty() && disconnect_callback_ && is_drained()) {
        if (is_disconnect_sent_) return close();
        is_disconnect_sent_ = true;
        batch_.add_disconnect();
    }
    if (batch_.is_empty()) return;
    loop_.send(send_, {.socket = socket_, .vectors = batch_.vectors()},
               io::bind<&Connection::send_done>(this));
}

bool Connection::is_drained() const {
    return queue_.is_empty() && free_slots_.size() == slots_.size();
}

void Connection::fill_batch() {
    while (!queue_.is_empty() && !free_slots_.empty() && batch_.has_room()) {
        Transfer& transfer = *queue_.pop_front();
        if (transfer.refusal_) {
            complete(transfer, transfer.refusal_);
        } else {
            put_on_wire(transfer);
        }
    }
}

void Connection::put_on_wire(Transfer& transfer) {
    const uint16_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = &transfer;
    // No two requests of a connection have the same cookie: a late or repeated reply finds none.
    transfer.reply_.cookie = ++requests_count_ * depth_max + slot;
    transfer.state_ = Transfer::State::on_wire;
    batch_.add(transfer);
}

void Connection::send_done(Result<uint32_t> result) {
    if (state_ == State::closing) return close_when_idle();
    if (state_ == State::negotiating) return negotiation_sent(result);
    if (!result) return fail(result.error(), "the connection broke while a request was sent");
    is_in_callback_ = true;
    batch_.consume(*result);
    complete_sent();
    is_in_callback_ = false;
    pump();
}

void Connection::complete_sent() {
    while (Transfer* const transfer = batch_.pop_sent()) {
        transfer->is_sent_ = true;
        if (transfer->is_answered_) reply_done(transfer->reply_, {});
    }
}

void Connection::receive() {
    ASSERT(recv_.is_idle());
    size_t count = 0;
    size_t look_ahead = receive_buffer_.size();
    direct_size_ = 0;
    if (state_ == State::transmission) {
        const std::span<std::byte> target = parser_->direct_target();
        if (!target.empty()) {
            recv_vectors_[count++] = {target.data(), target.size()};
            direct_size_ = target.size();
            last_data_size_ = target.size();
        }
        if (last_data_size_ >= data_size_large) look_ahead = look_ahead_size;
    }
    recv_vectors_[count++] = {receive_buffer_.data(), look_ahead};
    loop_.recv(recv_, {.socket = socket_, .vectors = std::span(recv_vectors_).first(count)},
               io::bind<&Connection::recv_done>(this));
}

void Connection::recv_done(Result<uint32_t> result) {
    if (state_ == State::closing) return close_when_idle();
    // After DISC the server may be the first to hang up.
    const bool is_at_end = !result || *result == 0;
    if (is_at_end && is_disconnect_sent_) return close();
    if (!result) return fail(result.error(), "the connection to the server broke");
    if (state_ == State::negotiating) {
        if (*result == 0) handshake_->end_of_stream();
        unparsed_ = std::span(receive_buffer_).first(*result);
        return negotiate();
    }
    if (*result == 0) {
        return fail({ErrorCode::connection_reset, 0, "receive reply"},
                    "the server closed the connection");
    }
    received(*result);
    if (state_ != State::transmission) return close_when_idle();
    receive();
    pump();
}

void Connection::received(size_t size) {
    is_in_callback_ = true;
    const size_t direct_size = std::min(size, direct_size_);
    Result<Ok> parsed = Ok();
    if (direct_size > 0) parsed = parser_->direct_received(direct_size);
    if (parsed) parsed = parser_->feed(std::span(receive_buffer_).first(size - direct_size));
    is_in_callback_ = false;
    if (parsed) return;
    fail(parsed.error(), std::string("the server broke the protocol: ") + parser_->failure());
}

nbd::PendingReply* Connection::find(uint64_t cookie) {
    const uint64_t slot = cookie % depth_max;
    if (slot >= slots_.size() || slots_[slot] == nullptr) return nullptr;
    Transfer& transfer = *slots_[slot];
    const bool waits = transfer.reply_.cookie == cookie && !transfer.is_answered_;
    return waits ? &transfer.reply_ : nullptr;
}

void Connection::reply_done(nbd::PendingReply& pending, std::string_view error_text) {
    Transfer& transfer = transfer_of(pending.cookie);
    if (!transfer.is_answered_ && pending.error != nbd::WireError::none) {
        failure_text_ = words_of_failure(pending, error_text);
    }
    transfer.is_answered_ = true;
    if (!transfer.is_sent_) return;
    const uint16_t slot = uint16_t(pending.cookie % depth_max);
    slots_[slot] = nullptr;
    free_slots_.push_back(slot);
    std::optional<Error> error;
    if (pending.error != nbd::WireError::none) {
        error = Error{nbd::error_code_of(pending.error), 0, name_of(pending.command)};
    }
    complete(transfer, error);
}

void Connection::complete(Transfer& transfer, std::optional<Error> error) {
    const io::Callback<Result<Ok>> done = transfer.done_;
    const io::Callback<Result<uint32_t>> status_done = transfer.status_done_;
    const uint32_t extents_count = transfer.reply_.extents_count;
    transfer.state_ = Transfer::State::idle;
    if (status_done) {
        error ? status_done(*error) : status_done(extents_count);
    } else {
        error ? done(*error) : done(Ok());
    }
}

// Nothing is on the wire any more; callbacks may submit anew, and those requests fail later.
void Connection::fail_requests() {
    const Error error = failure_.value_or(connection_gone);
    for (Transfer*& slot : slots_) {
        Transfer* const transfer = std::exchange(slot, nullptr);
        if (transfer != nullptr) complete(*transfer, error);
    }
    slots_.clear();
    free_slots_.clear();
    IntrusiveList<Transfer, &Transfer::link_> failed;
    failed.append(queue_);
    while (Transfer* const transfer = failed.pop_front()) complete(*transfer, error);
}

}  // namespace blockd::client
