#include "daemon/file_limit.h"

namespace blockd::daemon {

// setrlimit(2): any value up to the hard limit.
uint64_t file_limit_max(uint64_t hard_limit) { return hard_limit; }

}  // namespace blockd::daemon
