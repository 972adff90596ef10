#include "blockctl/null_endpoint.h"

#include "blockctl/message.h"

namespace blockd::blockctl {

NullEndpoint::NullEndpoint(io::Loop& loop, uint64_t size) : loop_(loop) {
    own_info() = {.name = "null:",
                  .size = size,
                  .alignment = 1,
                  .request_size_max = nbd::payload_size_max,
                  .is_server = false,
                  .reads_as_zeros = true,
                  .can_zero = false,
                  .can_report_extents = false};
}

void NullEndpoint::write(EndpointRequest& request, std::span<const std::byte> /*buffer*/,
                         uint64_t /*offset*/, io::Callback<Result<Ok>> done) {
    loop_.next_tick(request.completion, done);
}

void NullEndpoint::flush(EndpointRequest& request, io::Callback<Result<Ok>> done) {
    loop_.next_tick(request.completion, done);
}

// It is only ever a target.
void NullEndpoint::read(EndpointRequest& /*request*/, std::span<std::byte> /*buffer*/,
                        uint64_t /*offset*/, io::Callback<Result<Ok>> /*done*/) {
    ASSERT(false);
}

std::string NullEndpoint::failure_words(const EndpointRequest& /*request*/,
                                        const Error& error) const {
    return words_of(error);
}

}  // namespace blockd::blockctl
