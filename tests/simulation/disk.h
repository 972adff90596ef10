// A simulated data file: what reads see, what would survive a power cut, and the faults between.
//
// A write is volatile until a sync that began after it has ended. A power cut keeps, of each sector
// of 512 bytes, what was durable or any later version of it, in no order; the end of the process
// alone keeps everything that was done, and any part of what was being done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <blockd/io/completion.h>

#include "simulation/random.h"

namespace blockd::simulation {

class Disk {
  public:
    static constexpr uint64_t sector_size = 512;

    Disk(uint64_t size, uint64_t seed);

    uint64_t size() const { return current_.size(); }
    std::span<const std::byte> bytes() const { return current_; }

    // How many bytes were read: fewer only at the end of the file.
    uint64_t read(uint64_t offset, std::span<std::byte> target) const;

    void write(uint64_t offset, std::span<const std::byte> source);
    void write_zeros(uint64_t offset, uint64_t size);  // Provides the blocks.
    void punch(uint64_t offset, uint64_t size);        // Gives them back.

    // Fills `extents` with contiguous runs of data and holes from `offset` on; how many.
    uint32_t find_extents(uint64_t offset, uint64_t size, std::span<io::Extent> extents) const;

    // A sync covers what was written before it began. `drop` after one that failed: what it should
    // have made durable is gone. The ranges that changed are appended.
    uint64_t begin_sync() const { return versions_.size(); }
    void end_sync(uint64_t began);
    void drop_volatile(std::vector<std::pair<uint64_t, uint64_t>>& changed);
    bool has_volatile() const { return !versions_.empty(); }

    void cut_power();
    void sync_all();

    // Bytes behind `size` are gone; a later write brings zeros back.
    void truncate(uint64_t size);
    void restore_size();

    void make_bad(uint64_t offset, uint64_t size);  // Reads fail until it is written.
    bool is_bad(uint64_t offset, uint64_t size) const;

  private:
    static constexpr uint64_t block_size = 4096;
    static constexpr uint32_t none = UINT32_MAX;

    // A sector as a write left it, and the version of it before that.
    struct Version {
        uint32_t sector;
        uint32_t before;
    };

    std::span<std::byte> version_bytes(uint64_t index);
    void remember(uint64_t offset, uint64_t size);
    std::span<std::byte> durable_sector(uint32_t sector);
    std::span<std::byte> current_sector(uint32_t sector);
    void forget_versions();

    const uint64_t full_size_;
    Random random_;
    std::vector<std::byte> current_;
    std::vector<std::byte> durable_;
    std::vector<bool> is_allocated_;  // Per block.
    std::vector<bool> is_bad_;        // Per sector.
    uint64_t bad_count_ = 0;
    std::vector<Version> versions_;
    std::vector<std::byte> version_bytes_;
    std::vector<uint32_t> newest_;  // Per sector: its version.
};

}  // namespace blockd::simulation
