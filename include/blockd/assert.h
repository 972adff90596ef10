// Assertions judge blockd's own code, in release builds too: a wrong block written is worse than
// a crash. They never judge bytes from a disk, a peer, a config file or the clock.
#pragma once

#include <cstdio>
#include <cstdlib>

#define ASSERT(condition) \
    ((condition) ? void(0) : ::blockd::assert_failed(#condition, __FILE__, __LINE__))

namespace blockd {

[[noreturn]] inline void assert_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    std::abort();
}

}  // namespace blockd
