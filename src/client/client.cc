#include <blockd/client/client.h>

#include "client/connection.h"

namespace blockd::client {

using nbd::Command;

Client::Client(io::Loop& loop) : connection_(std::make_unique<Connection>(loop)) {}

Client::~Client() = default;

void Client::connect(const ConnectOptions& options, io::Callback<Result<Ok>> done) {
    connection_->connect(options, Connection::Goal::transmission, done);
}

void Client::list(const ConnectOptions& options, io::Callback<Result<Ok>> done) {
    connection_->connect(options, Connection::Goal::list, done);
}

const ExportInfo& Client::info() const { return connection_->info(); }

const std::vector<ListedExport>& Client::listed() const { return connection_->listed(); }

const std::string& Client::failure_text() const { return connection_->failure_text(); }

void Client::read(Transfer& transfer, std::span<std::byte> buffer, const Range& range,
                  io::Callback<Result<Ok>> done) {
    ASSERT(buffer.size() == range.size);
    connection_->submit(
        transfer,
        {.command = Command::read, .range = range, .buffer = buffer.data(), .done = done});
}

void Client::write(Transfer& transfer, std::span<const std::byte> buffer, const Range& range,
                   io::Callback<Result<Ok>> done) {
    ASSERT(buffer.size() == range.size);
    connection_->submit(
        transfer, {.command = Command::write, .range = range, .payload = buffer, .done = done});
}

void Client::flush(Transfer& transfer, io::Callback<Result<Ok>> done) {
    connection_->submit(transfer, {.command = Command::flush, .done = done});
}

void Client::trim(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done) {
    connection_->submit(transfer, {.command = Command::trim, .range = range, .done = done});
}

void Client::write_zeroes(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done) {
    connection_->submit(transfer, {.command = Command::write_zeroes, .range = range, .done = done});
}

void Client::cache(Transfer& transfer, const Range& range, io::Callback<Result<Ok>> done) {
    connection_->submit(transfer, {.command = Command::cache, .range = range, .done = done});
}

void Client::block_status(Transfer& transfer, std::span<StatusExtent> extents, const Range& range,
                          io::Callback<Result<uint32_t>> done) {
    ASSERT(!extents.empty());
    connection_->submit(transfer, {.command = Command::block_status,
                                   .range = range,
                                   .extents = extents,
                                   .status_done = done});
}

void Client::disconnect(io::Callback<Result<Ok>> done) { connection_->disconnect(done); }

}  // namespace blockd::client
