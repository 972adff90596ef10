// From bytes to requests.

#include <blockd/assert.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "server/connection.h"

namespace blockd::server {

namespace {

storage::DiskCommand disk_command_of(nbd::Command command) {
    switch (command) {
        case nbd::Command::read:
        case nbd::Command::cache: return storage::DiskCommand::read;
        case nbd::Command::write: return storage::DiskCommand::write;
        case nbd::Command::flush: return storage::DiskCommand::flush;
        case nbd::Command::trim: return storage::DiskCommand::trim;
        case nbd::Command::write_zeroes: return storage::DiskCommand::write_zeroes;
        case nbd::Command::block_status: return storage::DiskCommand::extents;
        case nbd::Command::disconnect: break;
    }
    ASSERT(false);
    __builtin_unreachable();
}

// Commands that are answered without it: caching is a hint, which a disk without a cache, or one
// that passes its cache by, cannot take.
bool needs_disk(const nbd::Request& request, const storage::Disk& disk) {
    if (request.command == nbd::Command::flush) return true;
    if (request.command == nbd::Command::cache && !disk.can_cache(request.size)) return false;
    return request.size > 0;
}

bool needs_memory(const nbd::Request& request, const storage::Disk& disk) {
    return needs_disk(request, disk) && request.command != nbd::Command::flush &&
           request.command != nbd::Command::trim;
}

}  // namespace

std::span<const std::byte> Connection::unread() const {
    return std::span(receive_buffer_).subspan(unread_begin_, unread_end_ - unread_begin_);
}

// The rest of a payload goes where the disk is written from, what follows it into the buffer.
void Connection::receive() {
    if (!receive_completion_.is_idle()) return;
    if (unread_begin_ > 0) {
        std::memmove(receive_buffer_.data(), unread().data(), unread().size());
        unread_end_ -= unread_begin_;
        unread_begin_ = 0;
    }
    size_t count = payload_vectors();
    ASSERT(unread_end_ < receive_buffer_.size());
    receive_vectors_[count++] = {.base = receive_buffer_.data() + unread_end_,
                                 .size = receive_buffer_.size() - unread_end_};
    context_.loop.recv(receive_completion_,
                       {.socket = socket_, .vectors = std::span(receive_vectors_).first(count)},
                       io::bind<&Connection::receive_done>(this));
}

size_t Connection::payload_vectors() {
    if (payload_slot_ == nullptr) return 0;
    ASSERT(unread_end_ == 0);
    size_t count = 0;
    uint64_t skipped = payload_received_size_;
    for (storage::Buffer* buffer = payload_slot_->disk.buffers.front(); buffer;
         buffer = storage::BufferList::next(*buffer)) {
        const std::span<std::byte> payload = buffer->payload();
        const uint64_t received = std::min<uint64_t>(skipped, payload.size());
        skipped -= received;
        if (received == payload.size()) continue;
        ASSERT(count + 1 < receive_vectors_.size());
        receive_vectors_[count++] = {.base = payload.data() + received,
                                     .size = payload.size() - received};
    }
    return count;
}

void Connection::receive_done(Result<uint32_t> result) {
    switch (state_) {
        case State::closing: return close_if_idle();
        case State::draining: return finish_if_drained();
        case State::lingering:
            // Whatever still comes is of no interest; its end is.
            if (!result || *result == 0) return begin_closing();
            unread_begin_ = unread_end_ = 0;
            return receive();
        case State::negotiating:
        case State::serving: break;
    }
    if (!result) return hung_up();
    if (*result > 0) return received(*result);
    if (state_ == State::negotiating) return hung_up();
    begin_draining("it hung up");
}

void Connection::received(uint32_t size) {
    if (payload_slot_ != nullptr) {
        const uint64_t left = payload_slot_->request.size - payload_received_size_;
        const uint32_t taken = uint32_t(std::min<uint64_t>(size, left));
        payload_received_size_ += taken;
        size -= taken;
    }
    unread_end_ += size;
    ASSERT(unread_end_ <= receive_buffer_.size());
    if (state_ == State::negotiating) return negotiate();
    const uint64_t count_before = requests_count_;
    process();
    pipeline_depth_.received(requests_count_ - count_before, slots_in_use_);
}

void Connection::negotiate() {
    using Status = nbd::ServerHandshake::Status;
    nbd::ServerHandshake& handshake = *handshake_;
    unread_begin_ += uint32_t(handshake.feed(unread()));

    if (handshake.status() == Status::broken) return abort(handshake.reason());
    // Once it is granted an export it counts as attached, though the reply is still on its way.
    if (handshake.status() != Status::negotiating) stop_negotiating();
    if (!handshake.output().empty()) {
        if (send_completion_.is_idle()) send();
        return;
    }
    switch (handshake.status()) {
        case Status::negotiating: return receive();
        case Status::transmission: return begin_serving();
        case Status::aborted: return begin_draining("it ended the negotiation");
        case Status::broken: ASSERT(false);
    }
}

// Starts as many of the received requests as there is room for.
void Connection::process() {
    while (state_ == State::serving) {
        // A request that was found to be in time is in its place before another client attaches.
        std::unique_lock<std::mutex> guard;
        if (is_deaf_) guard = std::unique_lock(export_->attaching);
        if (is_superseded()) return begin_draining("it hung up, and a later client has come");
        if (skip_payload()) break;
        if (payload_slot_ != nullptr) {
            if (!fill_payload()) break;
            continue;
        }
        if (is_drain_wanted_) return begin_draining(end_reason_);

        const Result<std::optional<nbd::Request>> parsed = nbd::parse_request(unread());
        if (!parsed) return abort("its request has no valid magic");
        if (!parsed->has_value()) break;
        if (!begin_request(**parsed)) return;
    }
    if (state_ == State::serving) receive();
}

// True when more of a refused payload has to come first.
bool Connection::skip_payload() {
    const uint64_t skipped = std::min<uint64_t>(payload_skip_size_, unread().size());
    payload_skip_size_ -= skipped;
    unread_begin_ += uint32_t(skipped);
    return payload_skip_size_ > 0;
}

// Copies what came along with the header; starts the write once its payload is whole.
bool Connection::fill_payload() {
    uint64_t begin = 0;
    for (storage::Buffer* buffer = payload_slot_->disk.buffers.front(); buffer;
         buffer = storage::BufferList::next(*buffer)) {
        const std::span<std::byte> payload = buffer->payload();
        const uint64_t end = begin + payload.size();
        if (payload_received_size_ >= begin && payload_received_size_ < end) {
            const std::span<std::byte> rest = payload.subspan(payload_received_size_ - begin);
            const size_t size = std::min(rest.size(), unread().size());
            std::memcpy(rest.data(), unread().data(), size);
            payload_received_size_ += size;
            unread_begin_ += uint32_t(size);
        }
        begin = end;
    }
    if (payload_received_size_ < payload_slot_->request.size) return false;
    context_.admission.end_payload(payload_slot_->footprint);
    RequestSlot& slot = *payload_slot_;
    payload_slot_ = nullptr;
    payload_deadline_ns_ = 0;
    execute(slot);
    return true;
}

// False when the request has to wait, or no other one follows it.
bool Connection::begin_request(const nbd::Request& request) {
    if (request.command == nbd::Command::disconnect) {
        begin_draining("it disconnected");
        return false;
    }
    const nbd::Refusal refusal = nbd::check_request(request, request_limits_);
    if (refusal.closes) {
        abort(refusal.text);
        return false;
    }
    RequestSlot* const slot = admit(request, bool(refusal));
    if (slot == nullptr) return false;

    unread_begin_ += sizeof(nbd::RequestHeader);
    ++requests_count_;
    if (refusal) {
        refuse(*slot, refusal.error, refusal.text);
        if (request.has_payload()) payload_skip_size_ = request.size;
    } else if (request.has_payload() && request.size > 0) {
        payload_slot_ = slot;
        payload_received_size_ = 0;
        context_.admission.begin_payload(slot->footprint);
        set_deadline(payload_deadline_ns_, context_.limits.transfer_timeout_ns);
    } else {
        execute(*slot);
    }
    return true;
}

// Takes a slot, and the memory that the request needs. nullptr when the request must wait. Whoever
// needs no memory does not wait for those who do: a flush passes them.
RequestSlot* Connection::admit(const nbd::Request& request, bool is_refused) {
    Admission& admission = context_.admission;
    if (slots_in_use_ >= context_.limits.requests_per_connection) {
        is_waiting_for_own_ = true;
        admission.leave(admission_waiter_);
        return nullptr;
    }
    const bool takes_memory = !is_refused && needs_memory(request, export_->disk);
    Room room = takes_memory ? Room::memory : Room::slot;
    if (takes_memory && is_payload_to_come(request)) room = Room::payload;
    if (admission.must_wait(admission_waiter_, room)) {
        wait_for(room, request);
        return nullptr;
    }
    RequestSlot* const slot = admission.take_slot();
    if (slot == nullptr || !fits(*slot, request, is_refused, room)) {
        if (slot != nullptr) admission.return_slot(*slot);
        if (!is_waiting_for_own_) {
            wait_for(room, request);
        } else {
            admission.leave(admission_waiter_);
            payload_deadline_ns_ = 0;
        }
        return nullptr;
    }
    admission.leave(admission_waiter_);
    ++slots_in_use_;
    bytes_in_use_ += slot->footprint;
    ASSERT(slots_in_use_ <= context_.limits.requests_per_connection);
    const bool is_alone = slots_in_use_ == 1 || slot->footprint == 0;
    ASSERT(is_alone || bytes_in_use_ <= context_.limits.bytes_per_connection);
    return slot;
}

// A payload that has room in the receive buffer comes in there, and then needs no share in the
// memory of those that are not whole: small writes do not wait for silent clients.
void Connection::wait_for(Room room, const nbd::Request& request) {
    const bool has_buffer = sizeof(nbd::RequestHeader) + request.size <= receive_buffer_.size();
    if (room != Room::payload || !has_buffer) {
        payload_deadline_ns_ = 0;  // From now on it is the client that waits.
        return context_.admission.wait(admission_waiter_, room);
    }
    context_.admission.leave(admission_waiter_);
    if (payload_deadline_ns_ == 0) {
        set_deadline(payload_deadline_ns_, context_.limits.transfer_timeout_ns);
    }
    receive();
}

bool Connection::is_payload_to_come(const nbd::Request& request) const {
    return request.has_payload() && unread().size() < sizeof(nbd::RequestHeader) + request.size;
}

// When it does not fit, `room` becomes what it lacks, unless that is room of the connection's own.
bool Connection::fits(RequestSlot& slot, const nbd::Request& request, bool is_refused, Room& room) {
    slot.connection = this;
    slot.request = request;
    slot.has_data = false;
    slot.footprint = 0;
    slot.disk.lane = &context_.lane;
    if (is_refused || !needs_disk(request, export_->disk)) return true;

    storage::DiskRequest& disk = slot.disk;
    disk.command = disk_command_of(request.command);
    disk.is_durable = (request.flags & nbd::command_flag::fua) != 0;
    disk.keeps_blocks = (request.flags & nbd::command_flag::no_hole) != 0;
    disk.must_be_fast = (request.flags & nbd::command_flag::fast_zero) != 0;
    disk.extents_max =
        (request.flags & nbd::command_flag::request_one) != 0 ? 1 : storage::disk_extents_max;
    disk.offset = request.offset;
    disk.size = request.size;
    disk.flow = &flow_;
    disk.done = io::bind<&RequestSlot::disk_done>(&slot);

    const uint64_t footprint = export_->disk.footprint(disk);
    if (slots_in_use_ > 0 && bytes_in_use_ + footprint > context_.limits.bytes_per_connection) {
        is_waiting_for_own_ = true;
        return false;
    }
    if (room == Room::payload && !context_.admission.has_payload_room(footprint)) return false;
    if (!export_->disk.reserve(disk)) {
        room = Room::memory;
        return false;
    }
    slot.footprint = footprint;
    return true;
}

void Connection::execute(RequestSlot& slot) {
    if (needs_disk(slot.request, export_->disk)) return export_->disk.submit(slot.disk);
    write_success_reply(slot, reply_format_);
    reply(slot);
}

void Connection::process_tick(Result<Ok>) {
    if (state_ == State::closing) return close_if_idle();
    process();
}

void Connection::admission_retry(Result<Ok>) {
    ASSERT(state_ == State::serving);
    process();
}

}  // namespace blockd::server
