#include "simulation/server_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace blockd::simulation {
namespace {

constexpr size_t region_size = size_t(4) << 30;  // Of addresses; pages come when they are touched.
constexpr size_t kept_size = 64u << 20;          // What a server has touched stays with the next.
constexpr size_t alignment_min = 16;
constexpr size_t header_size = 16;
constexpr uint8_t classes_count = 20;  // Of pieces up to 1 MiB; larger ones are not used again.

// Before each piece; while the piece is free, it names the next free one.
struct Header {
    uint64_t size_class;
    Header* next_free;
};
static_assert(sizeof(Header) == header_size);

std::byte* region = nullptr;
size_t used = 0;
std::array<Header*, classes_count + 1> free_pieces{};
bool is_inside = false;

void* take(size_t size, size_t alignment) {
    const size_t size_class = size_t(std::bit_width(size - 1));
    const bool is_reusable = size_class < classes_count && alignment <= alignment_min;
    if (is_reusable && free_pieces[size_class] != nullptr) {
        Header* const header = free_pieces[size_class];
        free_pieces[size_class] = header->next_free;
        return header + 1;
    }
    const size_t taken = is_reusable ? size_t(1) << size_class : size;
    const size_t address = reinterpret_cast<size_t>(region) + used + header_size;
    const size_t begin = (address + alignment - 1) / alignment * alignment;
    if (begin + taken > reinterpret_cast<size_t>(region) + region_size) return nullptr;
    used = begin + taken - reinterpret_cast<size_t>(region);
    auto* const header = reinterpret_cast<Header*>(begin - header_size);
    header->size_class = is_reusable ? size_class : classes_count;
    return header + 1;
}

void* allocate(size_t size, size_t alignment) {
    if (!is_inside) {
        const size_t rounded = (size + alignment - 1) / alignment * alignment;
        return alignment > alignment_min ? std::aligned_alloc(alignment, rounded)
                                         : std::malloc(size);
    }
    if (region == nullptr) {
        void* const mapped = mmap(nullptr, region_size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) return nullptr;
        region = static_cast<std::byte*>(mapped);
    }
    return take(size, std::max(alignment, alignment_min));
}

void* allocate_or_abort(size_t size, size_t alignment) {
    void* const memory = allocate(size == 0 ? 1 : size, alignment);
    if (memory == nullptr) {
        std::fputs("the simulated server's memory is exhausted\n", stderr);
        std::abort();
    }
    return memory;
}

void release(void* memory) {
    const auto* const at = static_cast<std::byte*>(memory);
    if (region == nullptr || at < region || at >= region + region_size) return std::free(memory);
    Header* const header = static_cast<Header*>(memory) - 1;
    header->next_free = free_pieces[header->size_class];
    free_pieces[header->size_class] = header;
}

}  // namespace

InsideOfServer::InsideOfServer() { is_inside = true; }

InsideOfServer::~InsideOfServer() { is_inside = false; }

OutsideOfServer::OutsideOfServer() : was_inside_(is_inside) { is_inside = false; }

OutsideOfServer::~OutsideOfServer() { is_inside = was_inside_; }

void end_of_server_memory() {
    if (used > kept_size) madvise(region + kept_size, region_size - kept_size, MADV_DONTNEED);
    // Elsewhere each time: two runs of a seed that depends on addresses leave two traces.
    used = (used / alignment_min * 40'503 % 4096) * alignment_min;
    free_pieces.fill(nullptr);
}

}  // namespace blockd::simulation

void* operator new(size_t size) { return blockd::simulation::allocate_or_abort(size, 16); }

void* operator new(size_t size, std::align_val_t alignment) {
    return blockd::simulation::allocate_or_abort(size, size_t(alignment));
}

void operator delete(void* memory) noexcept { blockd::simulation::release(memory); }

void operator delete(void* memory, size_t) noexcept { blockd::simulation::release(memory); }

void operator delete(void* memory, std::align_val_t) noexcept {
    blockd::simulation::release(memory);
}

void operator delete(void* memory, size_t, std::align_val_t) noexcept {
    blockd::simulation::release(memory);
}
