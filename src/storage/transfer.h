// One disk operation of one request, from its wait for a turn until it is done.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>
#include <blockd/io/completion.h>

#include <cstddef>
#include <cstdint>

namespace blockd::storage {

class DiskScheduler;
class Flow;

// Owned by whoever waits for it; stays put from submit() until `done` is entered.
struct Transfer {
    enum class Kind : uint8_t { read, write, punch_hole, zero_range, extents };

    Kind kind = Kind::read;
    io::Fd file = io::Fd::none;
    std::byte* data = nullptr;      // read, write.
    io::Extent* extents = nullptr;  // extents: an array of `extents_max`.
    uint32_t extents_max = 0;
    uint64_t offset = 0;
    uint64_t size = 0;

    // Passes the bytes moved (read and write: all of them, or an Error), or the extents found.
    io::Callback<Result<uint32_t>> done;

    // The scheduler's own.
    ListLink<Transfer> link;
    io::Completion completion;
    DiskScheduler* scheduler = nullptr;
    bool has_failed = false;  // Set before `done` is entered.

    void count_done(Result<uint32_t> result);
    void ok_done(Result<Ok> result);
};

}  // namespace blockd::storage
