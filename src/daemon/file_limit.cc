#include "daemon/file_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace blockd::daemon {

uint64_t raise_file_limit(uint64_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    if (limit.rlim_cur >= wanted) return limit.rlim_cur;

    rlimit raised = limit;
    raised.rlim_cur = static_cast<rlim_t>(std::min(wanted, file_limit_max(limit.rlim_max)));
    if (raised.rlim_cur <= limit.rlim_cur) return limit.rlim_cur;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace blockd::daemon
