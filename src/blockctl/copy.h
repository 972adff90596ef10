// Copies one endpoint to another, several requests at a time, sparing the zeros.
//
//     Copy copy(source, target, options);
//     copy.start();
//     while (!copy.is_done()) loop.flush(...);
//     if (copy.failure()) ...
//
// - The target has at least the source's size; the source's bytes then stand at its front.
// - Holes come from the source's extents; what it calls data is searched for zeros as well, since
//   some servers call everything data, and so does blockd on macOS. Zeros are zeroed on the target,
//   or left alone where it reads as zeros already.
// - The first failure ends it: nothing new is started, what is in flight is waited for.
// - Memory is bounded: requests x request_size, allocated once. Of the requests, only as many are
//   in flight as keep both sides busy.
#pragma once

#include <blockd/intrusive_list.h>

#include <memory>
#include <optional>
#include <vector>

#include "blockctl/copy_plan.h"
#include "blockctl/copy_window.h"
#include "blockctl/endpoint.h"
#include "blockctl/request_buffers.h"
#include "blockctl/zero_runs.h"
#include "io/clock.h"

namespace blockd::blockctl {

enum class FinalFlush : uint8_t { no, yes };

class Copy {
  public:
    struct Options {
        uint32_t requests = 64;
        uint32_t request_size = 256u << 10;  // Cut to what both sides take.
        uint32_t sparse_size = 4096;         // Zeros are looked for in blocks of so much; 0: not.
        FinalFlush flush = FinalFlush::yes;
        uint64_t (*now_ns)() = io::monotonic_now_ns;  // What pieces are timed with.
    };

    Copy(Endpoint& source, Endpoint& target, const Options& options);
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;

    // Without it, there is no memory for the requests, and nothing else may be called.
    bool has_memory() const { return buffers_.is_allocated(); }

    void start();

    bool is_done() const { return is_done_; }
    const std::optional<EndpointFailure>& failure() const { return failure_; }
    uint64_t size() const { return source_.info().size; }
    uint64_t size_done() const { return size_done_; }

  private:
    // Extents that are asked for at once: so much of the source, in so many runs.
    static constexpr uint64_t extents_window = 1u << 30;
    static constexpr size_t extents_count_max = 4096;

    // A server that has to write the zeros should not take minutes for one request.
    static constexpr uint64_t zero_size_max = 128u << 20;

    // One piece on its way: read, then written in one or more parts.
    struct Slot {
        Copy* copy = nullptr;
        EndpointRequest request;
        std::span<std::byte> buffer;
        Piece piece;
        size_t part_offset = 0;  // Bytes of the piece that are done with.
        size_t part_size = 0;    // Bytes being written or zeroed.
        uint64_t began_at = 0;   // Of the clock.
        ListLink<Slot> link;

        void read_done(Result<Ok> result);
        void part_done(Result<Ok> result);
        void zero_done(Result<Ok> result);
    };

    void advance();
    bool has_room() const;
    void begin(const Piece& piece);
    void begin_zero(Slot& slot);
    void queue_write(Slot& slot);
    void begin_writes();
    void continue_write(Slot& slot);
    void end_write(Slot& slot);
    void end(Slot& slot);
    ZeroRun next_run(std::span<const std::byte> data) const;
    void find_extents();
    void find_extents_done(Result<uint32_t> count);
    void finish();
    void flush_done(Result<Ok> result);
    void fail(const EndpointFailure& failure);

    Endpoint& source_;
    Endpoint& target_;
    Options options_;
    CopyPlan plan_;
    RequestBuffers buffers_;
    std::unique_ptr<Slot[]> slots_;
    IntrusiveList<Slot, &Slot::link> idle_;
    IntrusiveList<Slot, &Slot::link> waiting_;  // To be written.
    uint32_t writing_count_ = 0;                // Taken from there, and not done.
    bool is_beginning_writes_ = false;
    uint32_t zeroing_count_ = 0;  // Pieces that the target zeroes.
    CopyWindow window_;
    EndpointRequest extents_request_;  // The final flush uses it as well.
    std::vector<io::Extent> extents_;
    bool are_extents_in_flight_ = false;
    bool are_extents_refused_ = false;
    bool is_done_ = false;
    std::optional<EndpointFailure> failure_;
    uint64_t size_done_ = 0;
};

}  // namespace blockd::blockctl
