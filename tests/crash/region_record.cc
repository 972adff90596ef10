#include "crash/region_record.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace blockd::crash {
namespace {

// A sector in a few words: equal words are told once.
std::string words_of(std::string_view sector) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (size_t index = 0; index < 16; ++index) {
        const auto byte = static_cast<uint8_t>(sector[index]);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    const bool is_zero = sector.find_first_not_of('\0') == std::string_view::npos;
    return is_zero ? "zeros" : text + "...";
}

}  // namespace

RegionRecord::RegionRecord(uint64_t size)
    : bytes_(size, '\0'),
      pending_counts_(size / sector_size, 0),
      settled_at_(size / sector_size, 0) {}

uint64_t RegionRecord::begin(Change change) {
    ++now_;
    Pending pending = {.number = ++number_last_, .change = std::move(change), .is_settled = {}};
    const uint64_t first = first_sector(pending.change);
    const uint64_t end = end_sector(pending.change);
    pending.is_settled.assign(end - first, false);
    for (uint64_t sector = first; sector < end; ++sector) ++pending_counts_[sector];
    pending_.push_back(std::move(pending));
    return number_last_;
}

void RegionRecord::acknowledge(uint64_t number) {
    const auto found = std::ranges::find(pending_, number, &Pending::number);
    if (found != pending_.end()) settle_up_to(found, true);
}

void RegionRecord::fail(uint64_t number) {
    const auto found = std::ranges::find(pending_, number, &Pending::number);
    if (found != pending_.end()) settle_up_to(found, false);
}

void RegionRecord::doubt_unanswered() {
    for (Pending& each : pending_) each.is_doubtful = true;
}

// Changes that overlap are done in order: with this one, all older ones have come to their end in
// the sectors that it touches. (Not when it failed: then they may still be under way, but they
// cannot be undone by it either, so the union of both contents holds in any case.)
void RegionRecord::settle_up_to(std::deque<Pending>::iterator last, bool is_certain) {
    ++now_;
    const uint64_t first = first_sector(last->change);
    const uint64_t end = end_sector(last->change);
    for (uint64_t sector = first; sector < end; ++sector) {
        for (auto each = pending_.begin(); each <= last; ++each) {
            const uint64_t each_first = first_sector(each->change);
            if (sector < each_first || sector >= end_sector(each->change)) continue;
            if (each->is_settled[sector - each_first]) continue;
            each->is_settled[sector - each_first] = true;
            settle(sector, each->change, is_certain && !each->is_doubtful);
        }
        --pending_counts_[sector];
        settled_at_[sector] = now_;
    }
    pending_.erase(last);
}

RegionRecord::Sector RegionRecord::settled(uint64_t sector) const {
    Sector content;
    std::memcpy(content.data(), bytes_.data() + sector * sector_size, sector_size);
    return content;
}

std::vector<RegionRecord::Sector> RegionRecord::settled_contents(uint64_t sector) const {
    std::vector<Sector> contents = {settled(sector)};
    const auto others = alternatives_.find(sector);
    if (others != alternatives_.end()) {
        contents.insert(contents.end(), others->second.begin(), others->second.end());
    }
    return contents;
}

void RegionRecord::add(std::vector<Sector>& contents, const Sector& content) {
    if (std::ranges::find(contents, content) == contents.end()) contents.push_back(content);
}

void RegionRecord::apply(const Change& change, uint64_t sector, Sector& content) {
    const uint64_t begin = std::max(change.offset, sector * sector_size);
    const uint64_t end = std::min(change.offset + change.size, (sector + 1) * sector_size);
    char* const target = content.data() + (begin - sector * sector_size);
    if (change.kind == ChangeKind::write) {
        std::memcpy(target, change.bytes.data() + (begin - change.offset), end - begin);
    } else {
        std::memset(target, 0, end - begin);
    }
}

void RegionRecord::settle(uint64_t sector, const Change& change, bool is_certain) {
    std::vector<Sector> contents;
    for (Sector content : settled_contents(sector)) {
        if (!is_certain || change.kind == ChangeKind::trim) add(contents, content);
        apply(change, sector, content);
        add(contents, content);
    }
    settle_as(sector, std::move(contents));
}

void RegionRecord::settle_as(uint64_t sector, std::vector<Sector> contents) {
    std::memcpy(bytes_.data() + sector * sector_size, contents[0].data(), sector_size);
    contents.erase(contents.begin());
    if (contents.empty()) {
        alternatives_.erase(sector);
    } else {
        alternatives_[sector] = std::move(contents);
    }
}

// Of a sector that changes are under way to: none of them, the first, the first two, ...
std::vector<RegionRecord::Sector> RegionRecord::possible_contents(uint64_t sector) const {
    std::vector<Sector> latest = settled_contents(sector);
    std::vector<Sector> possible = latest;
    for (const Pending& each : pending_) {
        const uint64_t first = first_sector(each.change);
        if (sector < first || sector >= end_sector(each.change)) continue;
        if (each.is_settled[sector - first]) continue;
        std::vector<Sector> next;
        for (Sector content : latest) {
            if (each.is_doubtful || each.change.kind == ChangeKind::trim) add(next, content);
            apply(each.change, sector, content);
            add(next, content);
        }
        latest = std::move(next);
        for (const Sector& content : latest) add(possible, content);
    }
    return possible;
}

std::optional<Violation> RegionRecord::judge_sector(uint64_t sector, std::string_view bytes,
                                                    const std::vector<Sector>& allowed) {
    Sector seen;
    std::memcpy(seen.data(), bytes.data(), sector_size);
    if (std::ranges::find(allowed, seen) != allowed.end()) return std::nullopt;
    std::string text = "holds " + words_of(bytes) + ", allowed:";
    for (const Sector& content : allowed) {
        text += " " + words_of({content.data(), content.size()});
        const auto differing = std::ranges::mismatch(content, seen).in1 - content.begin();
        text += " (differs at " + std::to_string(differing) + ")";
    }
    return Violation{.sector = sector, .text = text};
}

uint64_t RegionRecord::judge_read(uint64_t offset, std::string_view bytes, uint64_t since,
                                  std::optional<Violation>* violation) {
    uint64_t judged = 0;
    const uint64_t end = (offset + bytes.size()) / sector_size;
    for (uint64_t sector = (offset + sector_size - 1) / sector_size; sector < end; ++sector) {
        if (pending_counts_[sector] != 0 || settled_at_[sector] > since) continue;
        const std::string_view seen = bytes.substr(sector * sector_size - offset, sector_size);
        const std::vector<Sector> allowed = settled_contents(sector);
        std::optional<Violation> found = judge_sector(sector, seen, allowed);
        ++judged;
        if (found) {
            *violation = std::move(found);
        } else if (allowed.size() > 1) {
            bytes_.replace(sector * sector_size, sector_size, seen);
            alternatives_.erase(sector);
        }
    }
    return judged;
}

std::optional<Violation> RegionRecord::judge_found(uint64_t offset, std::string_view bytes) {
    std::optional<Violation> violation;
    for (uint64_t position = 0; position < bytes.size(); position += sector_size) {
        const uint64_t sector = (offset + position) / sector_size;
        const std::string_view seen = bytes.substr(position, sector_size);
        const std::string_view expected(bytes_.data() + sector * sector_size, sector_size);
        if (seen == expected && pending_counts_[sector] == 0) {
            alternatives_.erase(sector);
            continue;
        }
        std::optional<Violation> found = judge_sector(sector, seen, possible_contents(sector));
        if (found && !violation) violation = std::move(found);
        // The first sight of it is told; what follows from it is not.
        bytes_.replace(sector * sector_size, sector_size, seen);
        alternatives_.erase(sector);
        for (Pending& each : pending_) {
            const uint64_t first = first_sector(each.change);
            if (sector < first || sector >= end_sector(each.change)) continue;
            each.is_settled[sector - first] = true;
        }
    }
    return violation;
}

void RegionRecord::forget_unanswered() {
    ++now_;
    pending_.clear();
    std::ranges::fill(pending_counts_, 0);
    std::ranges::fill(settled_at_, now_);
}

}  // namespace blockd::crash
