#include "daemon/file_limit.h"

#include <sys/syslimits.h>

#include <algorithm>

namespace blockd::daemon {

// setrlimit(2) of macOS, COMPATIBILITY: it refuses RLIM_INFINITY as the soft limit; "use
// rlim_cur = min(OPEN_MAX, rlim_max)".
uint64_t file_limit_max(uint64_t hard_limit) { return std::min<uint64_t>(OPEN_MAX, hard_limit); }

}  // namespace blockd::daemon
