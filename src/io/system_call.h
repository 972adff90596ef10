// Turns a system call that returns -1 and an errno into a result that is 0 or more, or a negated
// errno; retries it when a signal interrupted it.
#pragma once

#include <cerrno>
#include <cstdint>

namespace blockd::io {

template <typename Call>
int64_t system_call(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0) {
            return result;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

}  // namespace blockd::io
