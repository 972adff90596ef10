// Compares two endpoints byte by byte, several requests at a time: the first `size` bytes of both
// are read, holes included, so that a difference is one of content and never one of layout.
#pragma once

#include <blockd/intrusive_list.h>

#include <memory>
#include <optional>

#include "blockctl/endpoint.h"
#include "blockctl/request_buffers.h"

namespace blockd::blockctl {

class Compare {
  public:
    struct Options {
        uint64_t size;
        uint32_t requests = 64;
        uint32_t request_size = 256u << 10;  // Cut to what both sides take.
    };

    Compare(Endpoint& first, Endpoint& second, const Options& options);
    Compare(const Compare&) = delete;
    Compare& operator=(const Compare&) = delete;

    // Without it, there is no memory for the requests, and nothing else may be called.
    bool has_memory() const { return buffers_.is_allocated(); }

    void start();

    bool is_done() const { return is_done_; }
    const std::optional<EndpointFailure>& failure() const { return failure_; }
    uint64_t size() const { return options_.size; }
    uint64_t size_done() const { return size_done_; }

    // The first byte that differs. None while everything read so far is equal.
    std::optional<uint64_t> difference() const { return difference_; }

  private:
    // One of the two reads of a slot.
    struct Side {
        Compare* compare = nullptr;
        Side* other = nullptr;
        Endpoint* endpoint = nullptr;
        EndpointRequest request;
        std::span<std::byte> buffer;
        uint64_t offset = 0;
        uint64_t size = 0;
        bool is_read = false;
        ListLink<Side> link;  // The first side stands for its slot.

        void read_done(Result<Ok> result);
    };

    void advance();
    void begin(Side& first, uint64_t offset, uint64_t size);
    void both_read(Side& side);
    void judge(const Side& side);
    bool is_ending() const { return failure_ || difference_ || next_ == options_.size; }

    Endpoint& first_;
    Endpoint& second_;
    Options options_;
    RequestBuffers buffers_;
    std::unique_ptr<Side[]> sides_;  // Two a slot, side by side.
    IntrusiveList<Side, &Side::link> idle_;
    uint64_t next_ = 0;  // Where the next piece starts.
    bool is_done_ = false;
    std::optional<EndpointFailure> failure_;
    std::optional<uint64_t> difference_;
    uint64_t size_done_ = 0;
};

}  // namespace blockd::blockctl
