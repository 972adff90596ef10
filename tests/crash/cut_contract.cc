#include "crash/cut_contract.h"

#include <algorithm>
#include <set>
#include <utility>

namespace blockd::crash {
namespace {

bool is_change(const LoggedRequest& request) { return request.kind != RequestKind::flush; }

bool covers(const LoggedRequest& request, uint64_t begin, uint64_t end) {
    return is_change(request) && request.offset <= begin && end <= request.offset + request.size;
}

}  // namespace

Contract::Contract(const Clients& clients, std::string_view initial, Region region)
    : clients_(clients), initial_(initial), region_(region) {
    find_segments();
    find_earliest_cuts();
}

void Contract::find_segments() {
    std::set<uint64_t> borders;
    const uint64_t region_end = region_.offset + region_.size;
    for (uint64_t place = region_.offset; place <= region_end; place += sector_size) {
        borders.insert(place);
    }
    borders.insert(region_end);
    for (const LoggedRequest& request : clients_.requests) {
        if (!is_change(request)) continue;
        borders.insert(std::clamp(request.offset, region_.offset, region_end));
        borders.insert(std::clamp(request.offset + request.size, region_.offset, region_end));
    }
    for (auto border = borders.begin(); std::next(border) != borders.end(); ++border) {
        Segment segment = {.begin = *border, .end = *std::next(border), .requests = {}};
        for (size_t index = 0; index < clients_.requests.size(); ++index) {
            if (!covers(clients_.requests[index], segment.begin, segment.end)) continue;
            segment.requests.push_back(index);
        }
        segments_.push_back(std::move(segment));
    }
}

// A request that was sent after an answer had come was sent after that answer had been given.
void Contract::find_earliest_cuts() {
    std::vector<std::pair<uint64_t, size_t>> sent;
    std::vector<std::pair<uint64_t, size_t>> answered;
    for (size_t index = 0; index < clients_.requests.size(); ++index) {
        sent.emplace_back(clients_.requests[index].sent, index);
        if (clients_.requests[index].answered == never) continue;
        answered.emplace_back(clients_.requests[index].answered, index);
    }
    std::sort(sent.begin(), sent.end());
    std::sort(answered.begin(), answered.end());
    earliest_cuts_.assign(clients_.requests.size(), 0);
    uint64_t earliest = 0;
    size_t next = 0;
    for (const auto& [time, index] : sent) {
        for (; next < answered.size() && answered[next].first < time; ++next) {
            earliest = std::max(earliest, clients_.answers[answered[next].second]);
        }
        earliest_cuts_[index] = earliest;
    }
}

Contract::Moment Contract::moment_of(uint64_t cut) const {
    uint64_t flushed_before = 0;
    for (size_t index = 0; index < clients_.requests.size(); ++index) {
        const LoggedRequest& request = clients_.requests[index];
        if (request.kind != RequestKind::flush || clients_.answers[index] > cut) continue;
        flushed_before = std::max(flushed_before, request.sent);
    }
    return {.cut = cut, .flushed_before = flushed_before};
}

bool Contract::is_promised(size_t index, const Moment& moment) const {
    const LoggedRequest& request = clients_.requests[index];
    if (request.kind == RequestKind::trim) return false;
    return request.answered < moment.flushed_before ||
           (request.has_fua && clients_.answers[index] <= moment.cut);
}

// When the last of the promised requests was sent: what was answered before is gone. 0: there is no
// promise.
uint64_t Contract::last_promise(const Segment& segment, const Moment& moment) const {
    uint64_t last = 0;
    for (const size_t index : segment.requests) {
        if (is_promised(index, moment)) last = std::max(last, clients_.requests[index].sent);
    }
    return last;
}

std::string_view Contract::initial_bytes(const Segment& segment) const {
    return std::string_view(initial_).substr(segment.begin - region_.offset,
                                             segment.end - segment.begin);
}

bool Contract::has_bytes_of(size_t index, const Segment& segment, std::string_view bytes) const {
    const LoggedRequest& request = clients_.requests[index];
    if (request.kind != RequestKind::write) {
        return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
    }
    return bytes ==
           std::string_view(request.data).substr(segment.begin - request.offset, bytes.size());
}

std::optional<std::string> Contract::violation(std::string_view image, uint64_t cut) const {
    if (image.size() != region_.size) return "the disk has another size";
    const Moment moment = moment_of(cut);
    for (const Segment& segment : segments_) {
        const std::string_view bytes =
            image.substr(segment.begin - region_.offset, segment.end - segment.begin);
        const uint64_t last = last_promise(segment, moment);
        if (last == 0 && bytes == initial_bytes(segment)) continue;
        const bool is_legal =
            std::any_of(segment.requests.begin(), segment.requests.end(), [&](size_t index) {
                return earliest_cuts_[index] <= cut && clients_.requests[index].answered >= last &&
                       has_bytes_of(index, segment, bytes);
            });
        if (!is_legal) return complaint(segment, moment, bytes);
    }
    return std::nullopt;
}

uint64_t Contract::promised_bytes(uint64_t cut) const {
    const Moment moment = moment_of(cut);
    uint64_t bytes = 0;
    for (const Segment& segment : segments_) {
        if (last_promise(segment, moment) > 0) bytes += segment.end - segment.begin;
    }
    return bytes;
}

std::string Contract::complaint(const Segment& segment, const Moment& moment,
                                std::string_view bytes) const {
    std::string found = "bytes of nobody";
    if (bytes == initial_bytes(segment)) found = "what was there at the start";
    for (size_t index = 0; index < clients_.requests.size(); ++index) {
        if (!covers(clients_.requests[index], segment.begin, segment.end)) continue;
        if (!has_bytes_of(index, segment, bytes)) continue;
        found =
            "request " + std::to_string(index + 1) + " (" + text_of(clients_.requests[index]) + ")";
    }
    if (std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; })) {
        found += ", zeros";
    }
    std::string text = "bytes " + std::to_string(segment.begin) + "+" +
                       std::to_string(segment.end - segment.begin) + " hold " + found +
                       "; promised:";
    for (const size_t index : segment.requests) {
        if (!is_promised(index, moment)) continue;
        text += " request " + std::to_string(index + 1) + " (" + text_of(clients_.requests[index]) +
                ")";
    }
    return text;
}

}  // namespace blockd::crash
