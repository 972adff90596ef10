// Memory that is taken from the system once and never grows: what is not touched costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace blockd::storage {

// Of an arena's begin; also what a large page of x86_64 and arm64 is cut into without a rest.
inline constexpr std::align_val_t arena_alignment{2u << 20};

struct ArenaDeleter {
    void operator()(std::byte* arena) const { ::operator delete(arena, arena_alignment); }
};
using Arena = std::unique_ptr<std::byte, ArenaDeleter>;

// `size`: bytes. Throws std::bad_alloc.
inline Arena make_arena(uint64_t size) {
    return Arena(static_cast<std::byte*>(::operator new(size, arena_alignment)));
}

}  // namespace blockd::storage
