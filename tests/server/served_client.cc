#include "server/served_client.h"

#include <blockd/assert.h>

#include <algorithm>
#include <string>
#include <utility>

#include "support/wire_format.h"

namespace blockd::server {
namespace {

constexpr size_t received_size_max = 1u << 20;
constexpr int turns_max = 100'000;  // A server that never answers fails the program.

ServerOptions options_of(const PipeBackend& backend) {
    ServerOptions options;
    options.exports.push_back({.name = "disk", .file = backend.file()});
    return options;
}

}  // namespace

ServedClient::ServedClient(ReplyKind kind)
    : ServedClient(kind, std::make_unique<PipeBackend>(PipeBackend::Options{
                             .disk_size = disk_size, .received_size_max = received_size_max})) {}

ServedClient::ServedClient(ReplyKind kind, std::unique_ptr<PipeBackend> backend)
    : backend_(*backend), loop_(std::move(backend)), server_(loop_, log_, options_of(backend_)) {
    namespace wire = support::wire;
    std::ranges::fill(backend_.disk(), std::byte('d'));  // Zeros would be sent as holes.
    ASSERT(bool(server_.listen({})));
    backend_.connect();
    exchange({}, 18);  // The greeting.
    std::string options = support::WireBytes().u32(3).bytes();
    const bool is_structured = kind == ReplyKind::structured;
    if (is_structured) options += support::option_bytes(wire::opt_structured_reply);
    options += support::option_bytes(wire::opt_export_name, "disk");
    exchange(std::as_bytes(std::span(options)), is_structured ? 30 : 10);
}

ServedClient::~ServedClient() {
    server_.stop(io::bind<&ServedClient::stop_done>(this));
    for (int turn = 0; !is_stopped_; ++turn) {
        ASSERT(turn < turns_max);
        loop_.tick();
    }
}

std::span<const std::byte> ServedClient::exchange(std::span<const std::byte> sent, size_t size) {
    backend_.forget_received();
    backend_.send(sent);
    for (int turn = 0; backend_.received().size() < size; ++turn) {
        ASSERT(turn < turns_max);
        loop_.tick();
    }
    ASSERT(backend_.received().size() == size);
    return backend_.received();
}

}  // namespace blockd::server
