// A record as the power cut sees it: what was asked of one disk, when it was done, when it was made
// durable, and when each request was answered. Times are places of the record's events.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crash/cut_log.h"
#include "support/record_reader.h"

namespace blockd::crash {

// A write, a punch or a zeroing.
struct DiskChange {
    uint64_t offset = 0;
    uint64_t size = 0;
    std::string_view data;  // Of a write, in the record; empty: zeros.
    uint64_t submitted = never;
    uint64_t completed = never;
    bool has_failed = false;  // Any part of it may have been done.
};

struct DiskSync {
    uint64_t submitted = never;
    uint64_t completed = never;  // never too, when it failed.
};

struct Timeline {
    std::string fault;  // Why the record could not be understood.
    uint64_t event_count = 0;
    std::vector<DiskChange> changes;  // In the order of their submission.
    std::vector<DiskSync> syncs;

    // When the success of the request with the cookie index + 1 was handed to `send`.
    std::vector<uint64_t> answers;
};

// Of the export with this name. The record must live as long. Its clients negotiate with GO and
// without structured replies, have cookies of their own from 1 to `request_count`, and read
// nothing: each of their replies is 16 bytes long. 0 requests: what clients were sent is not looked
// at.
Timeline timeline_of(const support::Record& record, std::string_view export_name,
                     size_t request_count);

}  // namespace blockd::crash
