// null: as a copy's target takes everything and keeps nothing: how fast can a source be read?
#pragma once

#include <blockd/io/loop.h>

#include "blockctl/endpoint.h"

namespace blockd::blockctl {

class NullEndpoint final : public Endpoint {
  public:
    NullEndpoint(io::Loop& loop, uint64_t size);

    void read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
              io::Callback<Result<Ok>> done) override;
    void write(EndpointRequest& request, std::span<const std::byte> buffer, uint64_t offset,
               io::Callback<Result<Ok>> done) override;
    void flush(EndpointRequest& request, io::Callback<Result<Ok>> done) override;
    std::string failure_words(const EndpointRequest& request, const Error& error) const override;
    Result<Ok> close() override { return Ok(); }

  private:
    io::Loop& loop_;
};

}  // namespace blockd::blockctl
