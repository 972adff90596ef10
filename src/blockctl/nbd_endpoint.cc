#include "blockctl/nbd_endpoint.h"

#include <algorithm>
#include <bit>

#include "blockctl/message.h"
#include "blockctl/server_address.h"
#include "blockctl/waiter.h"

namespace blockd::blockctl {

namespace flag = nbd::transmission_flag;

NbdEndpoint::NbdEndpoint(io::Loop& loop, const client::Uri& uri, const Options& options)
    : loop_(loop), uri_(uri), options_(options) {
    ASSERT(options.connections > 0);
    own_info().name = options.name;
    own_info().is_server = true;
}

std::string NbdEndpoint::open() {
    const Result<std::vector<io::Address>> addresses = addresses_of(uri_);
    if (!addresses) {
        return "cannot connect to " + info().name + ": " + words_of(addresses.error());
    }
    const client::Client::ConnectOptions connect_options = {
        .addresses = *addresses,
        .export_name = uri_.export_name,
        .wants_block_status = options_.wants_block_status,
        .depth = options_.depth,
    };
    std::string complaint = connect_one(connect_options);
    if (!complaint.empty()) return complaint;

    adopt_export_info();
    complaint = connect_others(connect_options);
    if (!complaint.empty()) static_cast<void>(bool(close()));
    own_info().connections = uint32_t(clients_.size());
    return complaint;
}

std::string NbdEndpoint::connect_one(const client::Client::ConnectOptions& options) {
    auto client = std::make_unique<client::Client>(loop_);
    Waiter<Ok> waiter;
    client->connect(options, waiter.callback());
    const Result<Ok> connected = waiter.wait(loop_);
    if (!connected) return connect_failure(*client, connected.error());
    clients_.push_back(std::move(client));
    return {};
}

// More connections are for speed: a server that has no room for them serves over those that stand.
std::string NbdEndpoint::connect_others(const client::Client::ConnectOptions& options) {
    if ((export_info().flags & flag::can_multi_conn) == 0) return {};

    while (clients_.size() < options_.connections && connect_one(options).empty()) {
        if (clients_.back()->info().size != info().size) {
            return info().name + " changed its size between two connections";
        }
    }
    return {};
}

std::string NbdEndpoint::connect_failure(const client::Client& client, const Error& error) const {
    const std::string& said = client.failure_text();
    return "cannot connect to " + info().name + ": " + (said.empty() ? words_of(error) : said);
}

void NbdEndpoint::adopt_export_info() {
    const client::ExportInfo& server = export_info();
    own_info().size = server.size;
    own_info().alignment = std::bit_ceil(std::max(server.block_size_minimum, 1u));
    own_info().request_size_max = std::min(server.block_size_maximum, nbd::payload_size_max);
    own_info().is_read_only = (server.flags & flag::read_only) != 0;
    own_info().can_zero = (server.flags & flag::send_write_zeroes) != 0;
    own_info().can_report_extents = server.has_base_allocation;
}

// Requests go round: pieces are alike, so connections fill alike.
client::Client& NbdEndpoint::choose(EndpointRequest& request) {
    request.connection = next_connection_;
    next_connection_ = (next_connection_ + 1) % uint32_t(clients_.size());
    return *clients_[request.connection];
}

void NbdEndpoint::read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
                       io::Callback<Result<Ok>> done) {
    choose(request).read(request.transfer, buffer, {.offset = offset, .size = buffer.size()}, done);
}

void NbdEndpoint::write(EndpointRequest& request, std::span<const std::byte> buffer,
                        uint64_t offset, io::Callback<Result<Ok>> done) {
    choose(request).write(request.transfer, buffer, {.offset = offset, .size = buffer.size()},
                          done);
}

void NbdEndpoint::zero(EndpointRequest& request, uint64_t offset, uint64_t size,
                       io::Callback<Result<Ok>> done) {
    ASSERT(info().can_zero);
    choose(request).write_zeroes(request.transfer, {.offset = offset, .size = size}, done);
}

// A server without FLUSH promises nothing about durability, and cannot be asked.
void NbdEndpoint::flush(EndpointRequest& request, io::Callback<Result<Ok>> done) {
    if ((export_info().flags & flag::send_flush) == 0) {
        return loop_.next_tick(request.completion, done);
    }
    choose(request).flush(request.transfer, done);
}

void NbdEndpoint::extents(EndpointRequest& request, std::span<io::Extent> extents, uint64_t offset,
                          uint64_t size, io::Callback<Result<uint32_t>> done) {
    ASSERT(info().can_report_extents);
    ASSERT(!extents_done_);
    extents_ = extents;
    extents_done_ = done;

    const std::span<client::StatusExtent> answer(status_extents_);
    choose(request).block_status(
        request.transfer, answer.first(std::min(answer.size(), extents.size())),
        {.offset = offset, .size = size}, io::bind<&NbdEndpoint::block_status_done>(this));
}

// What counts for a copy is whether it reads as zeros, not whether it is allocated.
void NbdEndpoint::block_status_done(Result<uint32_t> count) {
    const io::Callback<Result<uint32_t>> done = extents_done_;
    extents_done_ = {};
    if (!count) return done(count);

    ASSERT(*count <= extents_.size());
    for (uint32_t index = 0; index < *count; ++index) {
        const client::StatusExtent& extent = status_extents_[index];
        extents_[index] = {.size = extent.size,
                           .is_hole = (extent.flags & nbd::allocation_zero) != 0};
    }
    done(count);
}

std::string NbdEndpoint::failure_words(const EndpointRequest& request, const Error& error) const {
    const std::string& said = clients_[request.connection]->failure_text();
    return said.empty() ? words_of(error) : said;
}

// Every connection, even when one fails: a Client is destroyed closed.
Result<Ok> NbdEndpoint::close() {
    Result<Ok> closed = Ok();
    for (const std::unique_ptr<client::Client>& client : clients_) {
        Waiter<Ok> waiter;
        client->disconnect(waiter.callback());
        const Result<Ok> disconnected = waiter.wait(loop_);
        if (!disconnected) closed = disconnected;
    }
    clients_.clear();
    return closed;
}

}  // namespace blockd::blockctl
