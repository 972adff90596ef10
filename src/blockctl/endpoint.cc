#include "blockctl/endpoint.h"

#include "blockctl/page_cache_drain.h"

namespace blockd::blockctl {

void EndpointRequest::file_io_done(Result<uint32_t> moved) {
    if (!moved) return done(moved.error());
    if (*moved != size_expected) {
        return done(Error{.code = ErrorCode::disk, .during = "the file became shorter"});
    }
    if (drain != nullptr) drain->written(offset, size_expected);
    done(Ok());
}

void Endpoint::zero(EndpointRequest& /*request*/, uint64_t /*offset*/, uint64_t /*size*/,
                    io::Callback<Result<Ok>> /*done*/) {
    ASSERT(info_.can_zero);
}

void Endpoint::extents(EndpointRequest& /*request*/, std::span<io::Extent> /*extents*/,
                       uint64_t /*offset*/, uint64_t /*size*/,
                       io::Callback<Result<uint32_t>> /*done*/) {
    ASSERT(info_.can_report_extents);
}

EndpointFailure describe_failure(const Endpoint& endpoint, const EndpointRequest& request,
                                 const char* action, uint64_t offset, uint64_t size,
                                 const Error& error) {
    EndpointFailure failure = {.text = "cannot ", .is_server = endpoint.info().is_server};
    std::string& text = failure.text;
    text.append(action).append(" ");
    if (size > 0) {
        text.append(std::to_string(size)).append(" bytes at offset ");
        text.append(std::to_string(offset)).append(" of ");
    }
    text.append(endpoint.info().name).append(": ").append(endpoint.failure_words(request, error));
    return failure;
}

}  // namespace blockd::blockctl
