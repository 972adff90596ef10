// strace in front of a program: it makes chosen system calls fail.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace blockd::crash {

struct Injection {
    std::string call;       // "fdatasync"
    std::string error;      // "EIO"
    uint32_t when = 1;      // The n-th such call of each thread, and of it alone.
    std::string path = {};  // Only calls that touch this file; empty: all.
};

// The words for DaemonProcess::set_launcher(). The daemon stays the process that was started; the
// tracer is its child, and writes what was traced to `trace_path`.
std::vector<std::string> injecting_launcher(const Injection& injection,
                                            const std::string& trace_path);

// How many calls failed by it, once the traced program has ended.
uint64_t injected_count(const std::string& trace_path);

// Whether a program that does nothing ends by a signal under it: then it is the dynamic loader's
// fault, not the program's.
bool breaks_the_loader(const Injection& injection, const std::string& trace_path);

// Why this machine cannot trace; empty when it can.
std::string reason_not_to_inject();

}  // namespace blockd::crash
