// From what the disk did to bytes.

#include <blockd/assert.h>

#include <bit>

#include "server/connection.h"

namespace blockd::server {

namespace {

const char* text_of(nbd::WireError error) {
    switch (error) {
        case nbd::WireError::io: return "the disk failed";
        case nbd::WireError::no_space: return "the disk is full";
        case nbd::WireError::not_supported: return "the disk cannot do that fast";
        case nbd::WireError::none:
        case nbd::WireError::not_permitted:
        case nbd::WireError::no_memory:
        case nbd::WireError::invalid:
        case nbd::WireError::overflow:
        case nbd::WireError::shutting_down: break;
    }
    return "the request failed";
}

}  // namespace

void RequestSlot::disk_done(Result<Ok> result) { connection->disk_done(*this, result); }

void Connection::disk_done(RequestSlot& slot, Result<Ok> result) {
    if (!result) log_disk_error(slot, result.error());
    if (state_ == State::closing) {
        release(slot);
        return close_if_idle();
    }
    if (result) {
        write_success_reply(slot, reply_format_);
        return reply(slot);
    }
    nbd::WireError error = nbd::wire_error_of(result.error().code);
    // The protocol knows ENOTSUP as the answer to FAST_ZERO alone.
    const bool is_fast_zero = (slot.request.flags & nbd::command_flag::fast_zero) != 0;
    if (error == nbd::WireError::not_supported && !is_fast_zero) error = nbd::WireError::io;
    refuse(slot, error, text_of(error));
}

void Connection::refuse(RequestSlot& slot, nbd::WireError error, const char* text) {
    write_error_reply(slot, reply_format_, error, text);
    reply(slot);
}

// The reply waits for the end of the turn, so that all that are ready by then go out together.
void Connection::reply(RequestSlot& slot) {
    replies_.push(slot);
    if (!send_completion_.is_idle() || !send_tick_completion_.is_idle()) return;
    context_.loop.next_tick(send_tick_completion_, io::bind<&Connection::send_tick>(this));
}

void Connection::send_tick(Result<Ok>) {
    if (state_ == State::closing) return close_if_idle();
    send();
}

void Connection::send() {
    size_t count = 0;
    if (state_ == State::negotiating) {
        const std::span<const std::byte> output = handshake_->output();
        send_vectors_[count++] = {.base = const_cast<std::byte*>(output.data()),
                                  .size = output.size()};
    } else {
        count = replies_.fill(send_vectors_);
        set_deadline(context_.limits.send_timeout_ns);
    }
    ASSERT(count > 0);
    context_.loop.send(send_completion_,
                       {.socket = socket_, .vectors = std::span(send_vectors_).first(count)},
                       io::bind<&Connection::send_done>(this));
}

void Connection::send_done(Result<uint32_t> result) {
    if (state_ == State::closing) return close_if_idle();
    if (!result) return hung_up();
    if (state_ == State::negotiating) {
        handshake_->consume_output(*result);
        return negotiate();
    }
    RequestList sent;
    replies_.consume(*result, sent);
    release_all(sent);
    if (!replies_.is_empty()) return send();
    deadline_ns_ = 0;
    finish_if_drained();
}

void Connection::release_all(RequestList& slots) {
    while (RequestSlot* const slot = slots.pop_front()) release(*slot);
}

void Connection::release(RequestSlot& slot) {
    ASSERT(slots_in_use_ > 0);
    ASSERT(slot.connection == this);
    --slots_in_use_;
    bytes_in_use_ -= slot.footprint;
    if (export_ != nullptr) export_->disk.release(slot.disk);
    context_.admission.give_slot(slot);

    if (!is_waiting_for_own_ || !process_tick_completion_.is_idle()) return;
    is_waiting_for_own_ = false;
    context_.loop.next_tick(process_tick_completion_, io::bind<&Connection::process_tick>(this));
}

// A disk that fails, fails often: the first failure is logged, then every second, fourth, ...
void Connection::log_disk_error(const RequestSlot& slot, Error error) {
    const uint64_t count = ++export_->failed_requests;
    if (!std::has_single_bit(count)) return;
    context_.log.write(LogLevel::error, "request failed",
                       {{"export", export_->name},
                        {"step", std::string_view(error.during)},
                        {"os_errno", uint64_t(error.os_errno)},
                        {"offset", slot.request.offset},
                        {"size_bytes", uint64_t(slot.request.size)},
                        {"failures", count}});
    if (export_->disk.has_failed() && !export_->is_failure_logged) {
        export_->is_failure_logged = true;
        context_.log.write(LogLevel::error,
                           "a sync failed: the export is read-only until it is opened anew",
                           {{"export", export_->name}});
    }
}

}  // namespace blockd::server
