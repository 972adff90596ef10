// One side of a copy or a comparison: a local file, an export of an NBD server, or nothing
// (null:). Both engines (copy.h, compare.h) see only this.
//
// - Runs on the loop's thread. Every request gets exactly one callback, never inside the call.
// - Any number of requests may be in flight; offsets and sizes are multiples of info().alignment,
//   except at the end, and inside info().size.
// - Nothing is allocated per request: the caller brings an EndpointRequest.
#pragma once

#include <blockd/client/client.h>
#include <blockd/error.h>
#include <blockd/io/callback.h>
#include <blockd/io/completion.h>

#include <cstdint>
#include <span>
#include <string>

namespace blockd::blockctl {

class PageCacheDrain;

struct EndpointInfo {
    std::string name;               // As the user gave it.
    uint64_t size = 0;              // Bytes.
    uint32_t alignment = 1;         // A power of two.
    uint32_t request_size_max = 0;  // Bytes of one read or write.
    uint32_t connections = 1;       // Servers: how many stand.
    // Writes that whoever uses it gives it at once: more would only get in each other's way.
    uint32_t writes_at_once = UINT32_MAX;
    bool is_server = false;  // Else a local file: they have exit statuses of their own.
    bool is_read_only = false;
    bool reads_as_zeros = false;      // Freshly made: zeros need not be written.
    bool can_zero = false;            // zero() makes zeros without sending them.
    bool can_report_extents = false;  // extents() tells holes from data.
};

// One request in flight: owned by the caller, stays put until its callback is entered.
class EndpointRequest {
  public:
    // For endpoints.
    io::Completion completion;
    client::Transfer transfer;
    io::Callback<Result<Ok>> done;
    uint64_t size_expected = 0;       // Files: what read or write has to move,
    uint64_t offset = 0;              // where, and
    PageCacheDrain* drain = nullptr;  // who hears that it was written; null for a read.
    uint32_t connection = 0;          // Servers: which one took it.

    // A file read or write came back: fewer bytes than the file had at the start are an error.
    void file_io_done(Result<uint32_t> moved);
};

class Endpoint {
  public:
    Endpoint() = default;
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;
    virtual ~Endpoint() = default;

    const EndpointInfo& info() const { return info_; }

    virtual void read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
                      io::Callback<Result<Ok>> done) = 0;
    virtual void write(EndpointRequest& request, std::span<const std::byte> buffer, uint64_t offset,
                       io::Callback<Result<Ok>> done) = 0;

    // Makes a range read as zeros. Only where info().can_zero.
    virtual void zero(EndpointRequest& request, uint64_t offset, uint64_t size,
                      io::Callback<Result<Ok>> done);

    // Makes everything that was called back before durable.
    virtual void flush(EndpointRequest& request, io::Callback<Result<Ok>> done) = 0;

    // Fills `extents` from the front and passes how many, at least one. They are contiguous from
    // `offset` on; the last may run past `offset + size`. Only where info().can_report_extents,
    // and one at a time.
    virtual void extents(EndpointRequest& request, std::span<io::Extent> extents, uint64_t offset,
                         uint64_t size, io::Callback<Result<uint32_t>> done);

    // What the server or the system said of a request that failed.
    virtual std::string failure_words(const EndpointRequest& request, const Error& error) const = 0;

    // Nothing is in flight any more; turns the loop until the connections and files are closed.
    virtual Result<Ok> close() = 0;

  protected:
    EndpointInfo& own_info() { return info_; }

  private:
    EndpointInfo info_;
};

// A request that failed, in words: "cannot read 4096 bytes at offset 0 of disk.img: ...".
struct EndpointFailure {
    std::string text;
    bool is_server = false;
};

EndpointFailure describe_failure(const Endpoint& endpoint, const EndpointRequest& request,
                                 const char* action, uint64_t offset, uint64_t size,
                                 const Error& error);

}  // namespace blockd::blockctl
