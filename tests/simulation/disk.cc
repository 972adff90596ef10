#include "simulation/disk.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cstring>

namespace blockd::simulation {

Disk::Disk(uint64_t size, uint64_t seed)
    : full_size_(size),
      random_(seed, 2),
      current_(size),
      durable_(size),
      is_allocated_(size / block_size, false),
      is_bad_(size / sector_size, false),
      newest_(size / sector_size, none) {
    ASSERT(size % block_size == 0);
}

uint64_t Disk::read(uint64_t offset, std::span<std::byte> target) const {
    if (offset >= current_.size()) return 0;
    const uint64_t size = std::min<uint64_t>(target.size(), current_.size() - offset);
    std::memcpy(target.data(), current_.data() + offset, size);
    return size;
}

std::span<std::byte> Disk::version_bytes(uint64_t index) {
    return std::span(version_bytes_).subspan(index * sector_size, sector_size);
}

std::span<std::byte> Disk::durable_sector(uint32_t sector) {
    return std::span(durable_).subspan(uint64_t(sector) * sector_size, sector_size);
}

std::span<std::byte> Disk::current_sector(uint32_t sector) {
    return std::span(current_).subspan(uint64_t(sector) * sector_size, sector_size);
}

// The sectors of a range are as they are now: a version of each.
void Disk::remember(uint64_t offset, uint64_t size) {
    ASSERT(offset % sector_size == 0 && size % sector_size == 0);
    version_bytes_.insert(version_bytes_.end(), current_.begin() + int64_t(offset),
                          current_.begin() + int64_t(offset + size));
    for (uint64_t at = offset; at < offset + size; at += sector_size) {
        const uint32_t sector = uint32_t(at / sector_size);
        versions_.push_back({.sector = sector, .before = newest_[sector]});
        newest_[sector] = uint32_t(versions_.size() - 1);
        if (bad_count_ > 0 && is_bad_[sector]) {
            is_bad_[sector] = false;
            --bad_count_;
        }
    }
}

void Disk::write(uint64_t offset, std::span<const std::byte> source) {
    const uint64_t end = offset + source.size();
    ASSERT(end <= full_size_);
    if (end > current_.size()) current_.resize(end);
    std::memcpy(current_.data() + offset, source.data(), source.size());
    for (uint64_t block = offset / block_size; block * block_size < end; ++block) {
        is_allocated_[block] = true;
    }
    remember(offset, source.size());
}

void Disk::write_zeros(uint64_t offset, uint64_t size) {
    size = std::min(size, current_.size() - std::min<uint64_t>(offset, current_.size()));
    std::memset(current_.data() + offset, 0, size);
    for (uint64_t block = offset / block_size; block * block_size < offset + size; ++block) {
        is_allocated_[block] = true;
    }
    remember(offset, size);
}

void Disk::punch(uint64_t offset, uint64_t size) {
    write_zeros(offset, size);
    const uint64_t first = (offset + block_size - 1) / block_size;
    for (uint64_t block = first; (block + 1) * block_size <= offset + size; ++block) {
        is_allocated_[block] = false;
    }
}

uint32_t Disk::find_extents(uint64_t offset, uint64_t size, std::span<io::Extent> extents) const {
    uint32_t count = 0;
    const uint64_t end = offset + size;
    while (offset < end) {
        const bool is_hole = !is_allocated_[offset / block_size];
        uint64_t run_end = offset;
        while (run_end < end && is_allocated_[run_end / block_size] != is_hole) {
            run_end = (run_end / block_size + 1) * block_size;
        }
        run_end = std::min(run_end, end);
        if (count == extents.size()) break;
        extents[count++] = {.size = run_end - offset, .is_hole = is_hole};
        offset = run_end;
    }
    return count;
}

void Disk::end_sync(uint64_t began) {
    began = std::min<uint64_t>(began, versions_.size());  // A truncation had synced them meanwhile.
    for (uint64_t index = 0; index < began; ++index) {
        std::ranges::copy(version_bytes(index), durable_sector(versions_[index].sector).begin());
    }
    // What came since stays volatile.
    const uint64_t left = versions_.size() - began;
    if (left > 0) {
        std::memmove(version_bytes_.data(), version_bytes_.data() + began * sector_size,
                     left * sector_size);
    }
    version_bytes_.resize(left * sector_size);
    for (uint64_t index = 0; index < began; ++index) newest_[versions_[index].sector] = none;
    versions_.erase(versions_.begin(), versions_.begin() + int64_t(began));
    for (uint32_t index = 0; index < versions_.size(); ++index) {
        Version& version = versions_[index];
        version.before = version.before == none || version.before < began
                             ? none
                             : uint32_t(version.before - began);
        newest_[version.sector] = index;
    }
}

// What is in these sectors may be what was there before a hole was made.
void Disk::forget_versions() {
    for (const Version& version : versions_) {
        newest_[version.sector] = none;
        is_allocated_[uint64_t(version.sector) * sector_size / block_size] = true;
    }
    versions_.clear();
    version_bytes_.clear();
}

void Disk::drop_volatile(std::vector<std::pair<uint64_t, uint64_t>>& changed) {
    for (const Version& version : versions_) {
        const uint64_t offset = uint64_t(version.sector) * sector_size;
        if (newest_[version.sector] == none || offset + sector_size > current_.size()) continue;
        newest_[version.sector] = none;
        if (random_.chance(1, 4)) {  // This one had reached the medium after all.
            std::ranges::copy(current_sector(version.sector),
                              durable_sector(version.sector).begin());
            continue;
        }
        std::ranges::copy(durable_sector(version.sector), current_sector(version.sector).begin());
        changed.emplace_back(offset, sector_size);
    }
    forget_versions();
}

// All, none, or each by chance: the worst cases are at the ends.
void Disk::cut_power() {
    const uint64_t mode = random_.below(4);
    const uint64_t kept = random_.between(1, 15);
    for (uint32_t sector = 0; sector < newest_.size(); ++sector) {
        uint32_t version = newest_[sector];
        if (version == none) continue;
        const bool is_kept = mode == 0 || (mode > 1 && random_.chance(kept, 16));
        if (!is_kept) continue;
        // Any of the versions that it has had since the last sync.
        while (versions_[version].before != none && random_.chance(1, 3)) {
            version = versions_[version].before;
        }
        std::ranges::copy(version_bytes(version), durable_sector(sector).begin());
    }
    forget_versions();
    const uint64_t size = current_.size();
    current_.assign(durable_.begin(), durable_.begin() + int64_t(size));
}

void Disk::sync_all() { end_sync(begin_sync()); }

void Disk::truncate(uint64_t size) {
    sync_all();
    current_.resize(size);
    std::fill(durable_.begin() + int64_t(size), durable_.end(), std::byte(0));
    for (uint64_t block = (size + block_size - 1) / block_size; block < is_allocated_.size();
         ++block) {
        is_allocated_[block] = false;
    }
}

void Disk::restore_size() {
    sync_all();
    current_.resize(full_size_);
}

void Disk::make_bad(uint64_t offset, uint64_t size) {
    for (uint64_t sector = offset / sector_size; sector * sector_size < offset + size; ++sector) {
        if (sector >= is_bad_.size() || is_bad_[sector]) continue;
        is_bad_[sector] = true;
        ++bad_count_;
    }
}

bool Disk::is_bad(uint64_t offset, uint64_t size) const {
    if (bad_count_ == 0) return false;
    for (uint64_t sector = offset / sector_size; sector * sector_size < offset + size; ++sector) {
        if (is_bad_[sector]) return true;
    }
    return false;
}

}  // namespace blockd::simulation
