// An endpoint in memory for tests of the engines: its requests come back in an order of the test's
// choosing, and fail where it says.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "blockctl/endpoint.h"

namespace blockd::blockctl {

class MemoryEndpoint final : public Endpoint {
  public:
    // Where a request of this kind that touches this byte fails.
    struct Fault {
        enum class Kind : uint8_t { read, write, zero, flush, extents } kind;
        uint64_t offset;
        ErrorCode code = ErrorCode::disk;
    };

    MemoryEndpoint(std::string name, uint64_t size, std::mt19937& random);

    EndpointInfo& settings() { return own_info(); }

    std::vector<std::byte> bytes;
    std::vector<bool> holes;  // What extents() tells, byte by byte.
    std::optional<Fault> fault;

    // Completes one pending request, any of them; false when there is none.
    bool step();

    bool is_idle() const { return pending_.empty(); }
    size_t pending_max() const { return pending_max_; }
    uint64_t size_read() const { return size_read_; }
    uint64_t size_written() const { return size_written_; }
    uint64_t size_zeroed() const { return size_zeroed_; }
    uint32_t flush_count() const { return flush_count_; }
    bool was_flushed_last() const { return was_flushed_last_; }

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
    Result<Ok> close() override { return Ok(); }

  private:
    struct Pending {
        Fault::Kind kind;
        uint64_t offset;
        uint64_t size;
        std::byte* read_to = nullptr;
        const std::byte* write_from = nullptr;
        std::span<io::Extent> extents;
        io::Callback<Result<Ok>> done;
        io::Callback<Result<uint32_t>> extents_done;
    };

    void add(const Pending& pending);
    void check_range(uint64_t offset, uint64_t size) const;
    void perform(const Pending& pending);
    uint32_t fill_extents(const Pending& pending);
    bool is_faulty(const Pending& pending) const;

    std::mt19937& random_;
    std::vector<Pending> pending_;
    size_t pending_max_ = 0;
    uint64_t size_read_ = 0;
    uint64_t size_written_ = 0;
    uint64_t size_zeroed_ = 0;
    uint32_t flush_count_ = 0;
    bool was_flushed_last_ = false;
};

}  // namespace blockd::blockctl
