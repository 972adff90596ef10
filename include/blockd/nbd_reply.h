// A request of the transmission phase that waits for its reply, as the client's half of the
// protocol keeps it: what was asked, where the answer goes, and how much of it has come.
#pragma once

#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace blockd::nbd {

// A run of the export and its "base:allocation" flags (allocation_hole, allocation_zero).
struct StatusExtent {
    uint32_t size;
    uint32_t flags;
};

// Which bytes of a read have come. Chunks may come in any order; merged where they touch, they may
// lie in ranges_max places at a time. (Every server known sends them in order: one place.)
class CoveredRanges {
  public:
    static constexpr size_t ranges_max = 16;

    enum class Added : uint8_t { ok, overlap, too_scattered };

    // `begin` to `end`, which is not empty.
    Added add(uint32_t begin, uint32_t end);
    bool is_exactly(uint32_t size) const;

  private:
    struct Range {
        uint32_t begin;
        uint32_t end;
    };

    std::array<Range, ranges_max> ranges_;  // Sorted, disjoint, not touching.
    uint8_t count_ = 0;
};

struct PendingReply {
    uint64_t cookie = 0;
    Command command = Command::read;
    uint16_t flags = 0;
    uint64_t offset = 0;
    uint32_t size = 0;
    std::byte* buffer = nullptr;  // READ: `size` bytes.
    // BLOCK_STATUS: those that do not fit are dropped; the last one is cut to the request.
    std::span<StatusExtent> extents{};

    // What the parser has found so far.
    WireError error = WireError::none;  // The first one.
    bool has_status = false;
    uint32_t extents_count = 0;
    uint64_t extents_size = 0;  // Bytes that the extents add up to.
    CoveredRanges covered{};
};

}  // namespace blockd::nbd
