#include "crash/cut_disk.h"

#include <algorithm>
#include <cstring>

namespace blockd::crash {

CutDisk::CutDisk(std::string_view base, Region region, std::span<const DiskChange> changes,
                 std::span<const DiskSync> syncs, uint64_t cut)
    : region_(region), durable_image_(base) {
    uint64_t durable_before = 0;  // The last successful sync's submission; 0: there was none.
    for (const DiskSync& sync : syncs) {
        if (sync.completed <= cut) durable_before = std::max(durable_before, sync.submitted);
    }
    for (const DiskChange& change : changes) {
        if (change.submitted > cut) break;
        const bool is_durable = !change.has_failed && change.completed < durable_before;
        (is_durable ? durable_ : open_).push_back(&change);
    }
    std::stable_sort(durable_.begin(), durable_.end(),
                     [](const DiskChange* one, const DiskChange* other) {
                         return one->completed < other->completed;
                     });
    for (const DiskChange* change : durable_) {
        apply(*change, change->offset, change->offset + change->size, durable_image_);
    }
}

void CutDisk::apply(const DiskChange& change, uint64_t begin, uint64_t end,
                    std::string& image) const {
    begin = std::max(begin, region_.offset);
    end = std::min(end, region_.offset + region_.size);
    if (begin >= end) return;
    char* const target = image.data() + (begin - region_.offset);
    if (change.data.empty()) {
        std::memset(target, 0, end - begin);
    } else {
        std::memcpy(target, change.data.data() + (begin - change.offset), end - begin);
    }
}

// A change that failed is never durable; but it cannot come back over a later one that is.
bool CutDisk::is_overwritten(const DiskChange& change, uint64_t begin, uint64_t end) const {
    return std::any_of(durable_.begin(), durable_.end(), [&](const DiskChange* later) {
        return change.completed < later->submitted && later->offset <= begin &&
               end <= later->offset + later->size;
    });
}

std::string CutDisk::image(const Survives& survives) const {
    std::string image = durable_image_;
    for (size_t index = 0; index < open_.size(); ++index) {
        const DiskChange& change = *open_[index];
        const uint64_t change_end = change.offset + change.size;
        uint64_t sector = 0;
        for (uint64_t begin = change.offset; begin < change_end; ++sector) {
            const uint64_t end = std::min(change_end, (begin / sector_size + 1) * sector_size);
            if (survives(index, sector) &&
                !(change.has_failed && is_overwritten(change, begin, end))) {
                apply(change, begin, end, image);
            }
            begin = end;
        }
    }
    return image;
}

const char* name_of(CutMode mode) {
    switch (mode) {
        case CutMode::none: return "none";
        case CutMode::all: return "all";
        case CutMode::one_lost: return "one lost";
        case CutMode::one_survivor: return "one survivor";
        case CutMode::some: return "some";
        case CutMode::torn: return "torn";
    }
    return "";
}

std::string cut_image(const CutDisk& disk, CutMode mode, Random& random) {
    const size_t chosen = disk.open_count() == 0 ? 0 : random() % disk.open_count();
    const uint64_t percent = 5 + random() % 91;
    std::vector<bool> survivors(disk.open_count());
    for (size_t index = 0; index < survivors.size(); ++index) {
        survivors[index] = random() % 100 < percent;
    }
    switch (mode) {
        case CutMode::none: return disk.image([](size_t, uint64_t) { return false; });
        case CutMode::all: return disk.image([](size_t, uint64_t) { return true; });
        case CutMode::one_lost:
            return disk.image([chosen](size_t index, uint64_t) { return index != chosen; });
        case CutMode::one_survivor:
            return disk.image([chosen](size_t index, uint64_t) { return index == chosen; });
        case CutMode::some:
            return disk.image([&survivors](size_t index, uint64_t) { return survivors[index]; });
        case CutMode::torn: break;
    }
    return disk.image([&random, percent](size_t, uint64_t) { return random() % 100 < percent; });
}

}  // namespace blockd::crash
