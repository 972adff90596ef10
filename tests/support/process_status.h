// What the system knows of a running process. Chosen by meson: process_status_linux.cc,
// process_status_darwin.cc.
#pragma once

#include <cstdint>

#include <sys/types.h>

namespace blockd::support {

struct ProcessStatus {
    uint64_t resident_bytes = 0;
    uint64_t resident_bytes_max = 0;  // The most there ever was.
    uint64_t cpu_ns = 0;              // Spent so far, by all threads.
    uint32_t descriptor_count = 0;
};

// All zero when there is no such process.
ProcessStatus process_status(pid_t process);

}  // namespace blockd::support
