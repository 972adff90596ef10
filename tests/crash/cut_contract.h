// What a disk owes its clients after a power cut: NBD's contract, judged by what the clients know
// and by when the server handed its answers to them, never by what it did to the disk.
//
// - A write or zeroing that was answered before a FLUSH was sent, on any connection, is there once
//   the FLUSH was answered; one with FUA once it was answered itself. There means: it, or another
//   request of its place that did not come before it.
// - Every other byte is what was there before or what one of the requests for it made of it, each
//   sector by itself.
// - A trim is a hint: zeros or what was there before, whatever is answered or flushed.
// - Nothing else is there: no bytes of another place, of nobody, or of a request that was not sent
//   before the cut.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crash/cut_disk.h"
#include "crash/cut_log.h"

namespace blockd::crash {

class Contract {
  public:
    struct Clients {
        std::span<const LoggedRequest> requests;
        std::span<const uint64_t> answers;  // Of these requests; see Timeline.
    };

    // `initial` is what the region held before the first of the requests.
    Contract(const Clients& clients, std::string_view initial, Region region);

    // What is wrong with the region's bytes after a cut behind the event `cut`; nothing when the
    // contract holds.
    std::optional<std::string> violation(std::string_view image, uint64_t cut) const;

    // Bytes that must be there after that cut: so many violations are possible.
    uint64_t promised_bytes(uint64_t cut) const;

  private:
    // Bytes within one sector that the same requests cover.
    struct Segment {
        uint64_t begin;
        uint64_t end;
        std::vector<size_t> requests;
    };

    // What is known at a cut.
    struct Moment {
        uint64_t cut;
        uint64_t flushed_before;  // What was answered before this time of the clients is promised.
    };

    void find_segments();
    void find_earliest_cuts();
    Moment moment_of(uint64_t cut) const;
    bool is_promised(size_t index, const Moment& moment) const;
    uint64_t last_promise(const Segment& segment, const Moment& moment) const;
    std::string_view initial_bytes(const Segment& segment) const;
    bool has_bytes_of(size_t index, const Segment& segment, std::string_view bytes) const;
    std::string complaint(const Segment& segment, const Moment& moment,
                          std::string_view bytes) const;

    const Clients clients_;
    const std::string initial_;
    const Region region_;
    std::vector<Segment> segments_;
    std::vector<uint64_t> earliest_cuts_;  // Before it the request cannot have been sent.
};

}  // namespace blockd::crash
