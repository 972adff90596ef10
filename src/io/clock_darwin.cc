// clock_gettime_nsec_np(3), macOS: CLOCK_UPTIME_RAW does not count time asleep, as kevent's own
// timeout does not; CLOCK_MONOTONIC does, and has only microseconds.
#include "io/clock.h"

#include <ctime>

namespace blockd::io {

uint64_t monotonic_now_ns() { return ::clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }

}  // namespace blockd::io
