// The memory of requests: one arena of a fixed size, handed out in aligned pieces.
//
// A buddy allocator: pieces are powers of two from 4 KiB to 1 MiB, each aligned to its own size
// (so that every piece of 16 KiB and more lies on an Apple silicon page). Nothing is ever taken
// from the system after construction, so the arena's size is a bound that no client can pass.
// Runs on one thread.
#pragma once

#include <blockd/intrusive_list.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/arena.h"
#include "storage/transfer.h"

namespace blockd::storage {

inline constexpr uint32_t buffer_size_min = 4u << 10;
inline constexpr uint32_t buffer_size_max = 1u << 20;
inline constexpr uint32_t buffer_orders = 9;
static_assert(buffer_size_min << (buffer_orders - 1) == buffer_size_max);

// One piece of memory, and the disk transfer that fills or drains it.
struct Buffer {
    // Room for what a protocol sends before the data.
    static constexpr size_t head_size_max = 32;

    std::byte* data = nullptr;
    uint32_t size = 0;  // Bytes in use, at most the piece's own size.

    // The client's bytes among them; what is around them only fills up whole blocks of the disk.
    uint32_t payload_offset = 0;
    uint32_t payload_size = 0;

    uint32_t page_index = 0;
    uint8_t order = 0;
    uint8_t head_size = 0;
    std::array<std::byte, head_size_max> head;
    ListLink<Buffer> link;
    Transfer transfer;

    std::span<std::byte> payload() const { return {data + payload_offset, payload_size}; }
};

using BufferList = IntrusiveList<Buffer, &Buffer::link>;

class BufferPool {
  public:
    struct Options {
        uint64_t arena_size;   // Bytes, a multiple of buffer_size_max.
        uint32_t buffers_max;  // Pieces in use at a time.
    };

    explicit BufferPool(const Options& options);
    ~BufferPool();  // Every buffer is back.
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    // Bytes of arena that allocate() takes for `size` bytes: whole buffer_size_max pieces, then
    // one that the rest fits into.
    static uint64_t footprint(uint64_t size);
    static uint32_t buffer_count(uint64_t size);

    // Appends buffers whose sizes sum up to `size`; all but the last are buffer_size_max long. All
    // or nothing: false when there is no room now.
    [[nodiscard]] bool allocate(uint64_t size, BufferList& buffers);

    // Appends a buffer for memory that is somebody else's: release() takes the buffer back and
    // leaves the memory alone. False when there is no buffer now.
    [[nodiscard]] bool adopt(std::span<std::byte> memory, BufferList& buffers);

    // Takes every buffer of the list back, and empties it.
    void release(BufferList& buffers);

    uint64_t used_size() const { return used_size_; }

  private:
    static constexpr uint32_t no_page = UINT32_MAX;

    // Per 4 KiB page of the arena; says something where a free piece begins.
    struct Page {
        uint32_t next = no_page;
        uint32_t previous = no_page;
        uint8_t free_order = no_order;
    };
    static constexpr uint8_t no_order = UINT8_MAX;  // Of a buffer: it is not of the arena.

    static uint8_t order_of(uint32_t size);
    uint32_t take_page(uint8_t order);
    void give_page(uint32_t page_index, uint8_t order);
    void push_free(uint32_t page_index, uint8_t order);
    void remove_free(uint32_t page_index);

    Arena arena_;
    std::vector<Page> pages_;
    std::array<uint32_t, buffer_orders> free_heads_;
    std::unique_ptr<Buffer[]> buffers_;
    BufferList unused_;
    uint64_t used_size_ = 0;
};

}  // namespace blockd::storage
