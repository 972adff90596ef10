// An export of an NBD server as one side of a copy, over one connection or, where the server
// promises that a flush on one covers all (CAN_MULTI_CONN), over several.
#pragma once

#include <blockd/client/client.h>
#include <blockd/client/uri.h>
#include <blockd/io/loop.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "blockctl/endpoint.h"

namespace blockd::blockctl {

class NbdEndpoint final : public Endpoint {
  public:
    struct Options {
        std::string name;          // The URI as the user gave it.
        uint32_t connections = 1;  // At most: as many as the server promises and has room for.
        uint32_t depth = client::depth_default;  // Requests on the wire per connection.
        bool wants_block_status = false;
    };

    NbdEndpoint(io::Loop& loop, const client::Uri& uri, const Options& options);

    // Turns the loop until the connections stand. Empty when all went well, else what did not.
    std::string open();

    const client::ExportInfo& export_info() const { return clients_.front()->info(); }

    void read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
              io::Callback<Result<Ok>> done) override;
    void write(EndpointRequest& request, std::span<const std::byte> buffer, uint64_t offset,
               io::Callback<Result<Ok>> done) override;
    void zero(EndpointRequest& request, uint64_t offset, uint64_t size,
              io::Callback<Result<Ok>> done) override;
    void flush(EndpointRequest& request, io::Callback<Result<Ok>> done) override;
    void extents(EndpointRequest& request, std::span<io::Extent> extents, uint64_t offset,
                 uint64_t size, io::Callback<Result<uint32_t>> done) override;
    std::string failure_words(const EndpointRequest& request, const Error& error) const override;
    Result<Ok> close() override;

  private:
    // Extents of one BLOCK_STATUS; a server may give fewer, and is asked again.
    static constexpr size_t status_extents_max = 4096;

    std::string connect_one(const client::Client::ConnectOptions& options);
    std::string connect_others(const client::Client::ConnectOptions& options);
    std::string connect_failure(const client::Client& client, const Error& error) const;
    void adopt_export_info();
    client::Client& choose(EndpointRequest& request);
    void block_status_done(Result<uint32_t> count);

    io::Loop& loop_;
    client::Uri uri_;
    Options options_;
    std::vector<std::unique_ptr<client::Client>> clients_;  // Connected, all of them.
    uint32_t next_connection_ = 0;

    // The one extents() in flight: the answer in the server's form, and where it goes.
    std::array<client::StatusExtent, status_extents_max> status_extents_;
    std::span<io::Extent> extents_;
    io::Callback<Result<uint32_t>> extents_done_;
};

}  // namespace blockd::blockctl
