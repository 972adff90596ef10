// What is known about each file descriptor: one slot a number, found in O(1).
//
// Slots never move. The table allocates only when an fd appears that is higher than all before.
#pragma once

#include <blockd/assert.h>
#include <blockd/io/completion.h>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace blockd::io {

template <typename Slot>
class FdTable {
  public:
    Slot& operator[](Fd fd) {
        ASSERT(fd > Fd::none);
        const size_t index = static_cast<size_t>(fd);
        while (pages_.size() <= index / page_size) pages_.push_back(std::make_unique<Page>());
        return (*pages_[index / page_size])[index % page_size];
    }

    size_t capacity() const { return pages_.size() * page_size; }

  private:
    static constexpr size_t page_size = 256;
    using Page = std::array<Slot, page_size>;

    std::vector<std::unique_ptr<Page>> pages_;
};

// What a loop has in flight on one fd.
struct LoopSlot {
    Completion* reader = nullptr;        // accept or recv
    Completion* writer = nullptr;        // connect or send
    Completion* running_sync = nullptr;  // The others of this file wait in their order.
    CompletionList waiting_syncs;
    uint32_t disk_operation_count = 0;  // With syncs.
    bool is_close_staged = false;       // Submitted; the backend has not seen it yet.

    bool is_idle() const {
        return reader == nullptr && writer == nullptr && disk_operation_count == 0 &&
               !is_close_staged;
    }
};

}  // namespace blockd::io
