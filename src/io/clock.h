// The clock of a real loop. Chosen by meson: clock_posix.cc, clock_darwin.cc.
#pragma once

#include <cstdint>

namespace blockd::io {

// Nanoseconds since some moment; never goes back, and stands still while the machine sleeps.
uint64_t monotonic_now_ns();

}  // namespace blockd::io
