#include "blockctl/endpoints.h"

#include <algorithm>

#include "blockctl/message.h"
#include "blockctl/null_endpoint.h"
#include "nbd/printable.h"

namespace blockd::blockctl {
namespace {

ExitStatus refuse(const std::string& reason) {
    complain(reason);
    return ExitStatus::failed;
}

}  // namespace

Endpoints::Endpoints(io::Loop& loop, const Invocation& invocation)
    : loop_(loop), invocation_(invocation) {}

Endpoints::~Endpoints() {
    for (const auto& endpoint : {source_.get(), target_.get()}) {
        if (endpoint != nullptr) static_cast<void>(bool(endpoint->close()));
    }
}

ExitStatus Endpoints::open_for_verify() {
    const ExitStatus status = open_source(invocation_.source, source_);
    return status == ExitStatus::done ? open_source(invocation_.target, target_) : status;
}

ExitStatus Endpoints::open_for_copy() {
    const ExitStatus status = open_source(invocation_.source, source_);
    if (status != ExitStatus::done) return status;

    if (invocation_.target.is_null) {
        target_ = std::make_unique<NullEndpoint>(loop_, source_->info().size);
        return ExitStatus::done;
    }
    return invocation_.target.uri ? open_server_target(invocation_.target)
                                  : open_file_target(invocation_.target);
}

ExitStatus Endpoints::open_source(const Location& location, std::unique_ptr<Endpoint>& endpoint) {
    if (location.uri) return open_server(location, endpoint);

    FileEndpoint::Opened opened = FileEndpoint::open_source(loop_, location.text);
    if (const auto* const complaint = std::get_if<std::string>(&opened)) {
        complain(*complaint);
        return ExitStatus::file;
    }
    std::unique_ptr<FileEndpoint> file = std::get<0>(std::move(opened));
    if (&endpoint == &source_) source_file_ = file.get();
    endpoint = std::move(file);
    return ExitStatus::done;
}

ExitStatus Endpoints::open_server(const Location& location, std::unique_ptr<Endpoint>& endpoint) {
    auto server =
        std::make_unique<NbdEndpoint>(loop_, *location.uri,
                                      NbdEndpoint::Options{.name = location.text,
                                                           .connections = invocation_.connections,
                                                           .depth = invocation_.requests,
                                                           .wants_block_status = true});
    const std::string complaint = server->open();
    if (!complaint.empty()) {
        complain(nbd::printable(complaint));
        return ExitStatus::server;
    }
    endpoint = std::move(server);
    return ExitStatus::done;
}

ExitStatus Endpoints::open_file_target(const Location& location) {
    const uint64_t size = source_->info().size;
    FileEndpoint::Opened opened =
        FileEndpoint::open_target(loop_, location.text, size, source_file_);
    if (const auto* const complaint = std::get_if<std::string>(&opened)) {
        complain(*complaint);
        return ExitStatus::file;
    }
    target_ = std::get<0>(std::move(opened));
    if (target_->info().size >= size) return ExitStatus::done;
    return refuse(location.text + " has " + std::to_string(target_->info().size) +
                  " bytes, too few for the " + std::to_string(size) + " bytes of " +
                  source_->info().name);
}

ExitStatus Endpoints::open_server_target(const Location& location) {
    const ExitStatus status = open_server(location, target_);
    if (status != ExitStatus::done) return status;

    const EndpointInfo& target = target_->info();
    const EndpointInfo& source = source_->info();
    if (target.is_read_only) return refuse(target.name + " is read-only");
    if (target.size < source.size) {
        return refuse(target.name + " has " + std::to_string(target.size) +
                      " bytes, too few for the " + std::to_string(source.size) + " bytes of " +
                      source.name);
    }
    if (source.size % target.alignment != 0) {
        return refuse("the server of " + target.name + " takes multiples of " +
                      std::to_string(target.alignment) + " bytes; " + source.name + " has " +
                      std::to_string(source.size) + " bytes");
    }
    return ExitStatus::done;
}

uint32_t Endpoints::request_count(BuffersPerRequest buffers) const {
    const uint64_t connections = std::max(source_->info().connections, target_->info().connections);
    const uint64_t affordable = memory_max / invocation_.request_size / uint64_t(buffers);
    return uint32_t(std::min(invocation_.requests * connections, affordable));
}

ExitStatus Endpoints::close() {
    ExitStatus status = ExitStatus::done;
    for (std::unique_ptr<Endpoint>* const endpoint : {&source_, &target_}) {
        const Result<Ok> closed = (*endpoint)->close();
        if (!closed && !(*endpoint)->info().is_server) {
            complain("cannot close " + (*endpoint)->info().name + ": " + words_of(closed.error()));
            status = ExitStatus::file;
        }
        endpoint->reset();
    }
    return status;
}

}  // namespace blockd::blockctl
