#include "client/scripted_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "nbd/reply.h"
#include "nbd/wire_bytes.h"

namespace blockd::client {

namespace {

constexpr size_t receive_size = 256 << 10;

}  // namespace

ScriptedServer::ScriptedServer(io::Loop& loop, const std::string& path, Script script)
    : loop_(loop),
      address_(*io::Address::unix_path(path)),
      script_(std::move(script)),
      receive_buffer_(receive_size) {
    const Result<io::Fd> listener = loop_.listen({.address = address_});
    EXPECT_TRUE(bool(listener));
    listener_ = *listener;
    loop_.accept(accept_, {listener_}, io::bind<&ScriptedServer::accept_done>(this));
}

ScriptedServer::~ScriptedServer() {
    is_stopping_ = true;
    loop_.cancel(accept_);
    if (socket_ != io::Fd::none) {
        to_send_.clear();
        hang_up();
        loop_.shutdown(socket_, io::ShutdownKind::both);
        loop_.cancel_fd(socket_);
    }
    while (!accept_.is_idle() || !close_.is_idle() || socket_ != io::Fd::none) {
        loop_.run_for_ns(1'000'000);
    }
    loop_.close(close_, {listener_}, io::bind<&ScriptedServer::closed>(this));
    while (!close_.is_idle()) loop_.run_for_ns(1'000'000);
}

void ScriptedServer::accept_done(Result<io::Fd> result) {
    if (!result) return;
    EXPECT_EQ(socket_, io::Fd::none) << "one client at a time";
    socket_ = *result;
    ++connections_count_;
    is_hanging_up_ = false;
    received_.clear();
    if (is_stopping_) return hang_up();
    script_(*this);
    receive();
}

void ScriptedServer::receive() {
    if (!is_receiving_ || is_hanging_up_ || !recv_.is_idle() || !is_connected()) return;
    recv_vector_ = {receive_buffer_.data(), receive_buffer_.size()};
    loop_.recv(recv_, {.socket = socket_, .vectors = std::span(&recv_vector_, 1)},
               io::bind<&ScriptedServer::recv_done>(this));
}

void ScriptedServer::resume_receiving() {
    is_receiving_ = true;
    receive();
}

void ScriptedServer::recv_done(Result<uint32_t> result) {
    if (!result || *result == 0) return hang_up();
    ++receives_count_;
    received_.insert(received_.end(), receive_buffer_.begin(),
                     receive_buffer_.begin() + ptrdiff_t(*result));
    script_(*this);
    receive();
    close_when_idle();
}

void ScriptedServer::send(std::span<const std::byte> bytes) {
    to_send_.insert(to_send_.end(), bytes.begin(), bytes.end());
    send_more();
}

void ScriptedServer::send_more() {
    if (!send_.is_idle() || !is_connected()) return;
    if (sent_size_ == sending_.size()) {
        sending_.clear();
        sent_size_ = 0;
        std::swap(sending_, to_send_);
    }
    if (sending_.empty()) return close_when_idle();
    const size_t size = std::min(piece_size_, sending_.size() - sent_size_);
    send_vector_ = {sending_.data() + sent_size_, size};
    loop_.send(send_, {.socket = socket_, .vectors = std::span(&send_vector_, 1)},
               io::bind<&ScriptedServer::send_done>(this));
}

void ScriptedServer::send_done(Result<uint32_t> result) {
    if (!result) {
        sending_.clear();
        to_send_.clear();
        sent_size_ = 0;
        return hang_up();
    }
    sent_size_ += *result;
    send_more();
}

void ScriptedServer::hang_up() {
    is_hanging_up_ = true;
    close_when_idle();
}

void ScriptedServer::close_when_idle() {
    if (!is_hanging_up_ || !is_connected() || !send_.is_idle() || !close_.is_idle()) return;
    if (!to_send_.empty() || sent_size_ < sending_.size()) return send_more();
    if (!recv_.is_idle()) {
        loop_.shutdown(socket_, io::ShutdownKind::both);
        return loop_.cancel(recv_);
    }
    sending_.clear();
    sent_size_ = 0;
    loop_.close(close_, {std::exchange(socket_, io::Fd::none)},
                io::bind<&ScriptedServer::closed>(this));
}

void ScriptedServer::closed(Result<Ok>) {
    if (is_stopping_) return;
    loop_.accept(accept_, {listener_}, io::bind<&ScriptedServer::accept_done>(this));
}

MemoryExport::MemoryExport(size_t size) : disk_(size) {
    for (size_t index = 0; index < size; ++index) disk_[index] = std::byte(index * 31 >> 3);
}

nbd::ExportDescription MemoryExport::describe(size_t) const {
    namespace flag = nbd::transmission_flag;
    return {.name = "demo",
            .description = "In memory",
            .size = size_override != 0 ? size_override : disk_.size(),
            .flags = flag::has_flags | flag::send_flush | flag::send_fua | flag::send_trim |
                     flag::send_write_zeroes | flag::send_cache};
}

size_t MemoryExport::find(std::string_view name) const {
    return name.empty() || name == "demo" ? 0 : none;
}

void MemoryExport::operator()(ScriptedServer& server) {
    if (connection_ != server.connections_count()) {
        connection_ = server.connections_count();
        handshake_.emplace(*this);
    }
    if (handshake_ && !negotiate(server)) return;
    while (take_request(server)) continue;
}

// Whether the transmission phase has been reached.
bool MemoryExport::negotiate(ScriptedServer& server) {
    using Status = nbd::ServerHandshake::Status;
    Bytes& received = server.received();
    for (bool has_moved = true; has_moved;) {
        const size_t taken_size = handshake_->feed(received);
        received.erase(received.begin(), received.begin() + ptrdiff_t(taken_size));
        const std::span<const std::byte> output = handshake_->output();
        has_moved = taken_size > 0 || !output.empty();
        server.send(output);
        handshake_->consume_output(output.size());
    }
    if (handshake_->status() == Status::negotiating) return false;
    const bool is_agreed = handshake_->status() == Status::transmission;
    negotiated_ = handshake_->negotiated();
    if (!is_agreed) server.hang_up();
    handshake_.reset();
    return is_agreed;
}

bool MemoryExport::take_request(ScriptedServer& server) {
    Bytes& received = server.received();
    const Result<std::optional<nbd::Request>> parsed = nbd::parse_request(received);
    EXPECT_TRUE(bool(parsed)) << "the client sent no request";
    if (!parsed || !*parsed) return false;
    const nbd::Request request = **parsed;
    const size_t payload_size = request.has_payload() ? request.size : 0;
    const size_t whole_size = sizeof(nbd::RequestHeader) + payload_size;
    if (received.size() < whole_size) return false;
    if (remembers_requests_) requests_.push_back(request);
    const std::span<const std::byte> payload =
        std::span(received).subspan(sizeof(nbd::RequestHeader), payload_size);
    if (!interception_ || !interception_(server, request, payload)) {
        answer(server, request, payload);
    }
    received.erase(received.begin(), received.begin() + ptrdiff_t(whole_size));
    return true;
}

void MemoryExport::answer(ScriptedServer& server, const nbd::Request& request,
                          std::span<const std::byte> payload) {
    const auto place = disk_.begin() + ptrdiff_t(request.offset);
    switch (request.command) {
        case nbd::Command::read: return answer_read(server, request);
        case nbd::Command::disconnect: has_disconnected_ = true; return server.hang_up();
        case nbd::Command::write: std::copy(payload.begin(), payload.end(), place); break;
        case nbd::Command::trim:
        case nbd::Command::write_zeroes: std::fill_n(place, request.size, std::byte(0)); break;
        case nbd::Command::block_status: {
            nbd::ReplyHead head;
            nbd::write_block_status_chunk(head, request.cookie, negotiated_.base_allocation_id, 2);
            server.send(head.span());
            const uint32_t half = request.size / 2;
            server.send(nbd::bytes_of(nbd::BlockDescriptor{half, 0}));
            server.send(nbd::bytes_of(
                nbd::BlockDescriptor{request.size, nbd::allocation_hole | nbd::allocation_zero}));
            return;
        }
        default: break;
    }
    nbd::ReplyHead head;
    nbd::write_simple_reply(head, request.cookie, nbd::WireError::none);
    server.send(head.span());
}

void MemoryExport::answer_read(ScriptedServer& server, const nbd::Request& request) {
    nbd::ReplyHead head;
    if (request.size == 0) {
        nbd::write_none_chunk(head, request.cookie);
        return server.send(head.span());
    }
    nbd::write_offset_data_chunk(head, {.cookie = request.cookie,
                                        .offset = request.offset,
                                        .size = request.size,
                                        .position = nbd::ChunkPosition::last});
    server.send(head.span());
    server.send(std::span(disk_).subspan(request.offset, request.size));
}

void MemoryExport::answer_error(ScriptedServer& server, const nbd::Request& request,
                                nbd::WireError error, std::string_view text) {
    nbd::ReplyHead head;
    nbd::write_error_chunk(head, request.cookie, error, text);
    server.send(head.span());
}

}  // namespace blockd::client
