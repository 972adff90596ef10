// How often this process allocates: who links allocation_count.cc has an operator new that counts.
// Not for ThreadSanitizer, which brings an operator new of its own.
#pragma once

#include <cstdint>

namespace blockd::support {

// Calls of operator new since the process began, on any thread.
uint64_t allocation_count();

}  // namespace blockd::support
