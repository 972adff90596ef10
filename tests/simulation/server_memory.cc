#include "simulation/server_memory.h"

#include <sys/mman.h>

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

std::byte* region = nullptr;
size_t used = 0;
bool is_inside = false;

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
    const size_t address = reinterpret_cast<size_t>(region) + used;
    const size_t begin = (address + alignment - 1) / alignment * alignment;
    if (begin + size > reinterpret_cast<size_t>(region) + region_size) return nullptr;
    used = begin + size - reinterpret_cast<size_t>(region);
    return reinterpret_cast<void*>(begin);
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
    if (region != nullptr && at >= region && at < region + region_size) return;
    std::free(memory);
}

}  // namespace

InsideOfServer::InsideOfServer() { is_inside = true; }

InsideOfServer::~InsideOfServer() { is_inside = false; }

OutsideOfServer::OutsideOfServer() : was_inside_(is_inside) { is_inside = false; }

OutsideOfServer::~OutsideOfServer() { is_inside = was_inside_; }

void end_of_server_memory() {
    if (used > kept_size) madvise(region + kept_size, region_size - kept_size, MADV_DONTNEED);
    used = 0;
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
