// From what the disk did to bytes.

#include <blockd/assert.h>

#include <array>
#include <bit>

#include "server/connection.h"

namespace blockd::server {

namespace {

struct DiskAnswer {
    nbd::WireError error;
    const char* text;
};

// Whatever the system says of the disk, it is not the client's fault. ENOTSUP is the protocol's
// answer to FAST_ZERO alone.
DiskAnswer answer_of(ErrorCode code, const nbd::Request& request) {
    const bool is_fast_zero = (request.flags & nbd::command_flag::fast_zero) != 0;
    if (code == ErrorCode::not_supported && is_fast_zero) {
        return {.error = nbd::WireError::not_supported, .text = "zeroing would not be fast"};
    }
    if (code == ErrorCode::no_space) {
        return {.error = nbd::WireError::no_space, .text = "the disk is full"};
    }
    return {.error = nbd::WireError::io, .text = "the disk failed"};
}

}  // namespace

void RequestSlot::disk_done(Result<Ok> result) { connection->disk_done(*this, result); }

void Connection::disk_done(RequestSlot& slot, Result<Ok> result) {
    DiskAnswer answer = {.error = nbd::WireError::none, .text = ""};
    if (!result) {
        answer = answer_of(result.error().code, slot.request);
        if (answer.error != nbd::WireError::not_supported) log_disk_error(slot, result.error());
    }
    if (state_ == State::closing) {
        release(slot);
        return close_if_idle();
    }
    if (!result) return refuse(slot, answer.error, answer.text, slot.disk.failed_offset());
    write_success_reply(slot, reply_format_);
    reply(slot);
}

void Connection::refuse(RequestSlot& slot, nbd::WireError error, const char* text,
                        std::optional<uint64_t> offset) {
    write_error_reply(slot, reply_format_, error, text, offset);
    reply(slot);
}

// The reply waits for the end of the turn, so that all that are ready by then go out together.
void Connection::reply(RequestSlot& slot) {
    if (is_deaf_) {
        release(slot);
        return finish_if_drained();
    }
    replies_.push(slot, context_.loop.now_ns());
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
        if (deadline_ns_ == 0) set_reply_deadline();
    }
    ASSERT(count > 0);
    context_.loop.send(send_completion_,
                       {.socket = socket_, .vectors = std::span(send_vectors_).first(count)},
                       io::bind<&Connection::send_done>(this));
}

// From the moment on when the reply was ready, however long those before it took.
void Connection::set_reply_deadline() {
    const uint64_t deadline_ns = replies_.front_since_ns() + context_.limits.transfer_timeout_ns;
    const uint64_t now_ns = context_.loop.now_ns();
    set_deadline(deadline_ns_, deadline_ns > now_ns ? deadline_ns - now_ns : 0);
}

void Connection::send_done(Result<uint32_t> result) {
    if (state_ == State::closing) return close_if_idle();
    if (!result) return state_ == State::serving ? turn_deaf() : hung_up();
    if (state_ == State::negotiating) {
        handshake_->consume_output(*result);
        return negotiate();
    }
    RequestList sent;
    replies_.consume(*result, sent);
    if (!sent.is_empty()) deadline_ns_ = 0;  // The next reply has its own.
    const bool has_sent_data = !sent.is_empty() && sent.front()->has_data;
    release_all(sent);
    if (!replies_.is_empty()) return send();
    deadline_ns_ = 0;
    expect_more(has_sent_data);
    finish_if_drained();
}

// Only of readers: the requests of those who write are long, and waiting for them is no gain.
void Connection::expect_more(bool has_sent_data) {
    if (!has_sent_data) return;
    const uint32_t disk_operations = context_.lane.scheduler.in_flight_count();
    if (disk_operations > 0 && disk_operations < gather_disk_operations_min) return;
    if (pipeline_depth_.expects_more(slots_in_use_)) context_.loop.expect_more();
}

// Nobody takes replies any more, but requests may still lie in the socket: a client that hung up
// right after its writes has sent them all the same. They are done, up to the end of the stream,
// unless somebody attaches meanwhile: see is_superseded(). A client that is there, where only the
// system failed to send, is told to hang up, and has as long for it as for taking a reply.
void Connection::turn_deaf() {
    is_deaf_ = true;
    set_deadline(deadline_ns_, context_.limits.transfer_timeout_ns);
    context_.loop.shutdown(socket_, io::ShutdownKind::send);
    RequestList dropped;
    replies_.clear(dropped);
    release_all(dropped);
}

// The client is gone, and a later connection may be the same client's. What that one has written
// must not be undone by a request that lay unread in this one's socket.
bool Connection::is_superseded() const {
    return is_deaf_ && export_->attach_count > attach_number_;
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
    if (export_->disk.has_failed() && !export_->is_failure_logged.exchange(true)) {
        context_.log.write(LogLevel::error,
                           "a sync failed: the export is read-only until it is opened anew",
                           {{"export", export_->name}});
    }
    const uint64_t count = ++export_->failed_requests;
    if (!std::has_single_bit(count)) return;
    const std::optional<uint64_t> bad_offset = slot.disk.failed_offset();
    const std::array<LogField, 7> fields = {{{"export", export_->name},
                                             {"step", std::string_view(error.during)},
                                             {"os_errno", uint64_t(error.os_errno)},
                                             {"offset", slot.request.offset},
                                             {"size_bytes", uint64_t(slot.request.size)},
                                             {"failures", count},
                                             {"bad_offset", bad_offset.value_or(0)}}};
    context_.log.write(LogLevel::error, "request failed",
                       std::span(fields).first(bad_offset ? 7 : 6));
}

}  // namespace blockd::server
