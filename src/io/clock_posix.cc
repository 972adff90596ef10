// clock_gettime(2), Linux: CLOCK_MONOTONIC does not count time in suspend.
#include "io/clock.h"

#include <blockd/assert.h>

#include <ctime>

namespace blockd::io {

uint64_t monotonic_now_ns() {
    timespec now{};
    const int status = ::clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(status == 0);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace blockd::io
