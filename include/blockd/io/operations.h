// What each operation of a Loop is told; see the functions of the same names there.
#pragma once

#include <blockd/io/completion.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace blockd::io::operations {

struct Accept {
    Fd listener;
};

struct Connect {
    Fd socket;
    const Address* address;
};

struct Close {
    Fd fd;
};

struct Recv {
    Fd socket;
    std::span<const IoVector> vectors;  // 1 to vectors_max; they stay put, like the buffers.
};

struct Send {
    Fd socket;
    std::span<const IoVector> vectors;
};

struct Read {
    Fd file;
    std::span<std::byte> buffer;
    uint64_t offset;
};

struct Write {
    Fd file;
    std::span<const std::byte> buffer;
    uint64_t offset;
};

struct Sync {
    Fd file;
    Durability durability = Durability::full;
};

struct Range {  // punch_hole, zero_range
    Fd file;
    uint64_t offset;
    uint64_t size;
};

struct Extents {
    Fd file;
    uint64_t offset;
    uint64_t size;              // 1 or more.
    std::span<Extent> extents;  // 1 or more; filled from the front.
};

struct Open {
    const char* path;
    int32_t flags;  // O_CLOEXEC is added.
    uint32_t mode;
    Fd directory = Fd::none;  // none: relative to the working directory.
};

struct Timeout {
    uint64_t after_ns;
};

}  // namespace blockd::io::operations
