#include "storage/buffer_pool.h"

#include <blockd/assert.h>

#include <algorithm>
#include <bit>

namespace blockd::storage {

BufferPool::BufferPool(const Options& options)
    : arena_(make_arena(options.arena_size)),
      pages_(options.arena_size / buffer_size_min),
      buffers_(std::make_unique<Buffer[]>(options.buffers_max)) {
    ASSERT(options.arena_size % buffer_size_max == 0);
    ASSERT(pages_.size() < no_page);
    free_heads_.fill(no_page);

    // From the back, so that the front of the arena is used first and the rest stays untouched.
    constexpr uint32_t pages_per_piece = buffer_size_max / buffer_size_min;
    for (uint32_t page = uint32_t(pages_.size()); page > 0; page -= pages_per_piece) {
        push_free(page - pages_per_piece, buffer_orders - 1);
    }
    for (uint32_t index = 0; index < options.buffers_max; ++index) {
        unused_.push_back(buffers_[index]);
    }
}

BufferPool::~BufferPool() {
    ASSERT(used_size_ == 0);
    while (unused_.pop_front() != nullptr) {
    }
}

uint8_t BufferPool::order_of(uint32_t size) {
    ASSERT(size > 0);
    ASSERT(size <= buffer_size_max);
    const uint32_t pages = (size + buffer_size_min - 1) / buffer_size_min;
    return uint8_t(std::bit_width(pages - 1));
}

uint64_t BufferPool::footprint(uint64_t size) {
    const uint32_t rest = uint32_t(size % buffer_size_max);
    const uint64_t rest_footprint = rest == 0 ? 0 : uint64_t(buffer_size_min) << order_of(rest);
    return size - rest + rest_footprint;
}

uint32_t BufferPool::buffer_count(uint64_t size) {
    return uint32_t((size + buffer_size_max - 1) / buffer_size_max);
}

bool BufferPool::allocate(uint64_t size, BufferList& buffers) {
    if (buffer_count(size) > unused_.count()) return false;

    BufferList taken;
    for (uint64_t left = size; left > 0;) {
        const uint32_t piece = uint32_t(std::min<uint64_t>(left, buffer_size_max));
        const uint8_t order = order_of(piece);
        const uint32_t page_index = take_page(order);
        if (page_index == no_page) {
            release(taken);
            return false;
        }
        Buffer& buffer = *unused_.pop_front();
        buffer.data = arena_.get() + uint64_t(page_index) * buffer_size_min;
        buffer.size = piece;
        buffer.payload_offset = 0;
        buffer.payload_size = piece;
        buffer.page_index = page_index;
        buffer.order = order;
        buffer.head_size = 0;
        taken.push_back(buffer);
        left -= piece;
    }
    buffers.append(taken);
    return true;
}

bool BufferPool::adopt(std::span<std::byte> memory, BufferList& buffers) {
    ASSERT(!memory.empty());
    ASSERT(memory.size() <= buffer_size_max);
    if (unused_.is_empty()) return false;

    Buffer& buffer = *unused_.pop_front();
    buffer.data = memory.data();
    buffer.size = uint32_t(memory.size());
    buffer.payload_offset = 0;
    buffer.payload_size = buffer.size;
    buffer.order = no_order;
    buffer.head_size = 0;
    buffers.push_back(buffer);
    return true;
}

void BufferPool::release(BufferList& buffers) {
    while (Buffer* const buffer = buffers.pop_front()) {
        ASSERT(buffer->transfer.completion.is_idle());
        // To the front: the descriptor is still in the processor's cache.
        unused_.push_front(*buffer);
        if (buffer->order == no_order) continue;
        give_page(buffer->page_index, buffer->order);
    }
}

// Takes a free piece of `order`, splitting a larger one if need be. no_page when there is none.
uint32_t BufferPool::take_page(uint8_t order) {
    uint8_t found = order;
    while (found < buffer_orders && free_heads_[found] == no_page) ++found;
    if (found == buffer_orders) return no_page;

    const uint32_t page_index = free_heads_[found];
    remove_free(page_index);
    while (found > order) {
        --found;
        push_free(page_index + (1u << found), found);
    }
    used_size_ += uint64_t(buffer_size_min) << order;
    return page_index;
}

// Gives a piece back, and joins it with its buddy for as long as that one is free too.
void BufferPool::give_page(uint32_t page_index, uint8_t order) {
    used_size_ -= uint64_t(buffer_size_min) << order;
    while (order < buffer_orders - 1) {
        const uint32_t buddy = page_index ^ (1u << order);
        if (pages_[buddy].free_order != order) break;
        remove_free(buddy);
        page_index = std::min(page_index, buddy);
        ++order;
    }
    push_free(page_index, order);
}

void BufferPool::push_free(uint32_t page_index, uint8_t order) {
    Page& page = pages_[page_index];
    ASSERT(page.free_order == no_order);
    const uint32_t head = free_heads_[order];
    page = {.next = head, .previous = no_page, .free_order = order};
    if (head != no_page) pages_[head].previous = page_index;
    free_heads_[order] = page_index;
}

void BufferPool::remove_free(uint32_t page_index) {
    Page& page = pages_[page_index];
    ASSERT(page.free_order != no_order);
    if (page.previous == no_page) {
        free_heads_[page.free_order] = page.next;
    } else {
        pages_[page.previous].next = page.next;
    }
    if (page.next != no_page) pages_[page.next].previous = page.previous;
    page = {};
}

}  // namespace blockd::storage
