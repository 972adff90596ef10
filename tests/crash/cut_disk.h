// What a disk may hold after a power cut.
//
// Durable is a change that was done before a sync was submitted, once that sync has succeeded.
// Every other change that was submitted is open: of each of its sectors the cut decides, whatever
// the order of the changes.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crash/cut_timeline.h"

namespace blockd::crash {

using Random = std::mt19937_64;

// A part of the disk: the whole of it, or what belongs to one script.
struct Region {
    uint64_t offset = 0;
    uint64_t size = 0;
};

class CutDisk {
  public:
    // `base` is what the region held, durably, before the first of the changes. The cut comes
    // behind the event `cut`.
    CutDisk(std::string_view base, Region region, std::span<const DiskChange> changes,
            std::span<const DiskSync> syncs, uint64_t cut);

    size_t open_count() const { return open_.size(); }

    // Whether the sector `sector`, counted from the start of the open change, survives.
    using Survives = std::function<bool(size_t open_index, uint64_t sector)>;
    std::string image(const Survives& survives) const;

  private:
    void apply(const DiskChange& change, uint64_t begin, uint64_t end, std::string& image) const;
    bool is_overwritten(const DiskChange& change, uint64_t begin, uint64_t end) const;

    const Region region_;
    std::string durable_image_;
    std::vector<const DiskChange*> durable_;
    std::vector<const DiskChange*> open_;
};

enum class CutMode : uint8_t {
    none,          // No open change survives.
    all,           // All do: what a kill leaves.
    one_lost,      // All but one.
    one_survivor,  // One alone.
    some,          // Each with the same probability, whole.
    torn,          // Each sector with the same probability.
};
inline constexpr size_t cut_mode_count = 6;
const char* name_of(CutMode mode);

std::string cut_image(const CutDisk& disk, CutMode mode, Random& random);

}  // namespace blockd::crash
