#include "blockctl/session.h"

#include <algorithm>

#include "blockctl/event_loop.h"
#include "blockctl/message.h"
#include "blockctl/server_address.h"
#include "blockctl/waiter.h"
#include "nbd/printable.h"

namespace blockd::blockctl {

Session::Session(const Invocation& invocation)
    : name_(invocation.source.text), uri_(*invocation.source.uri), loop_(make_loop(1)) {
    if (loop_) client_ = std::make_unique<client::Client>(*loop_);
}

Session::~Session() {
    if (!is_open_) return;
    Waiter<Ok> waiter;
    client_->disconnect(waiter.callback());
    // The command's own result counts: a server that hangs up first is no news.
    static_cast<void>(bool(waiter.wait(*loop_)));
}

ExitStatus Session::prepare(client::Client::ConnectOptions& options) {
    if (!client_) return ExitStatus::failed;

    Result<std::vector<io::Address>> addresses = addresses_of(uri_);
    if (!addresses) {
        complain("cannot connect to " + name_ + ": " + words_of(addresses.error()));
        return ExitStatus::server;
    }
    options.addresses = std::move(*addresses);
    options.export_name = uri_.export_name;
    return ExitStatus::done;
}

ExitStatus Session::open(BlockStatus block_status) {
    client::Client::ConnectOptions options;
    options.wants_block_status = block_status == BlockStatus::wanted;
    const ExitStatus prepared = prepare(options);
    if (prepared != ExitStatus::done) return prepared;

    Waiter<Ok> waiter;
    client_->connect(options, waiter.callback());
    const Result<Ok> connected = waiter.wait(*loop_);
    is_open_ = bool(connected);
    if (connected) return ExitStatus::done;

    complain("cannot connect to " + name_ + ": " + words_of_failure(connected.error()));
    return ExitStatus::server;
}

ExitStatus Session::list() {
    client::Client::ConnectOptions options;
    const ExitStatus prepared = prepare(options);
    if (prepared != ExitStatus::done) return prepared;

    Waiter<Ok> waiter;
    client_->list(options, waiter.callback());
    const Result<Ok> listed = waiter.wait(*loop_);
    if (listed) return ExitStatus::done;

    complain("cannot list the exports of " + name_ + ": " + words_of_failure(listed.error()));
    return ExitStatus::server;
}

ExitStatus Session::require(uint16_t flag, std::string_view ability) const {
    if ((info().flags & flag) != 0) return ExitStatus::done;
    return refuse("the server does not offer " + std::string(ability) + " for " + name_);
}

ExitStatus Session::require_writable() const {
    if ((info().flags & nbd::transmission_flag::read_only) == 0) return ExitStatus::done;
    return refuse(name_ + " is read-only");
}

ExitStatus Session::require_range(uint64_t offset, uint64_t size) const {
    if (offset > info().size || size > info().size - offset) {
        return refuse(std::to_string(size) + " bytes at offset " + std::to_string(offset) +
                      " pass the end of " + name_ + ", which has " + std::to_string(info().size) +
                      " bytes");
    }
    const uint64_t block = std::max(info().block_size_minimum, 1u);
    if (offset % block != 0 || size % block != 0) {
        return refuse("the server of " + name_ + " takes offsets and sizes in multiples of " +
                      std::to_string(block) + " bytes; asked were " + std::to_string(size) +
                      " bytes at offset " + std::to_string(offset));
    }
    return ExitStatus::done;
}

ExitStatus Session::refuse(const std::string& reason) const {
    complain(reason);
    return ExitStatus::failed;
}

ExitStatus Session::fail(const char* action, uint64_t offset, uint64_t size,
                         const std::string& words) const {
    const std::string range =
        size == 0 ? ""
                  : std::to_string(size) + " bytes at offset " + std::to_string(offset) + " of ";
    complain(std::string("cannot ") + action + " " + range + name_ + ": " + words);
    return ExitStatus::server;
}

std::string Session::words_of_failure(const Error& error) const {
    const std::string& said = client_->failure_text();
    return said.empty() ? words_of(error) : nbd::printable(said);
}

uint64_t Session::request_size() const {
    constexpr uint64_t pipelined_size = 1u << 20;
    const uint64_t block = std::max(info().block_size_minimum, 1u);
    const uint64_t fitting = std::min(pipelined_size, uint64_t(info().block_size_maximum));
    return std::max(fitting / block * block, block);
}

}  // namespace blockd::blockctl
