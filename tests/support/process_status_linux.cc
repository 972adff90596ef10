#include "support/process_status.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include <unistd.h>

namespace blockd::support {
namespace {

// /proc/PID/stat: the command, which may hold anything, ends with the last ')'; user and system
// time are the 12th and 13th field after it.
uint64_t cpu_ns_of(const std::string& folder) {
    std::ifstream file(folder + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string field;
    for (int index = 0; index < 11; ++index) fields >> field;
    uint64_t user_ticks = 0;
    uint64_t system_ticks = 0;
    fields >> user_ticks >> system_ticks;
    const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
    return (user_ticks + system_ticks) * (1'000'000'000 / ticks_per_second);
}

}  // namespace

ProcessStatus process_status(pid_t process) {
    ProcessStatus status;
    const std::string folder = "/proc/" + std::to_string(process);
    std::ifstream file(folder + "/status");
    if (!file) return status;
    std::string key;
    uint64_t kibibytes = 0;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        fields >> key >> kibibytes;
        if (key == "VmRSS:") status.resident_bytes = kibibytes * 1024;
        if (key == "VmHWM:") status.resident_bytes_max = kibibytes * 1024;
    }
    status.cpu_ns = cpu_ns_of(folder);
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/fd", ignored)) {
        (void)entry;
        ++status.descriptor_count;
    }
    return status;
}

}  // namespace blockd::support
