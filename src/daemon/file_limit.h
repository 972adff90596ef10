// How many files and sockets the process may have open. Service managers start daemons with few
// (launchd: 256), so blockd raises the soft limit itself.
#pragma once

#include <cstdint>

namespace blockd::daemon {

// Raises the soft limit to `wanted` where it is lower, as far as the system lets it. Returns the
// limit that now holds.
uint64_t raise_file_limit(uint64_t wanted);

// The highest soft limit that setrlimit accepts, given the hard one. One per platform.
uint64_t file_limit_max(uint64_t hard_limit);

}  // namespace blockd::daemon
