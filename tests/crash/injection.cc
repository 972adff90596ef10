#include "crash/injection.h"

#include <cstdlib>
#include <filesystem>

#include <sys/wait.h>

#include "support/temporary_directory.h"

namespace blockd::crash {

std::vector<std::string> injecting_launcher(const Injection& injection,
                                            const std::string& trace_path) {
    std::vector<std::string> words = {"strace",
                                      "-D",
                                      "-f",
                                      "-qq",
                                      "-o",
                                      trace_path,
                                      "-e",
                                      "trace=" + injection.call,
                                      "-e",
                                      "signal=none",
                                      "-e",
                                      "inject=" + injection.call + ":error=" + injection.error +
                                          ":when=" + std::to_string(injection.when)};
    if (!injection.path.empty()) words.insert(words.end(), {"-P", injection.path});
    return words;
}

uint64_t injected_count(const std::string& trace_path) {
    if (!std::filesystem::exists(trace_path)) return 0;
    const std::string trace = support::read_file(trace_path);
    constexpr std::string_view mark = "(INJECTED)";
    uint64_t count = 0;
    for (size_t at = trace.find(mark); at != std::string::npos; at = trace.find(mark, at + 1)) {
        ++count;
    }
    return count;
}

bool breaks_the_loader(const Injection& injection, const std::string& trace_path) {
    std::string command;
    for (const std::string& word : injecting_launcher(injection, trace_path)) command += word + " ";
    constexpr int signal_status = 128;  // What a shell adds to a signal's number.
    const int status = std::system((command + "true >/dev/null 2>&1").c_str());
    return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) > signal_status);
}

std::string reason_not_to_inject() {
    const char* const command = "strace -f -qq -e trace=none true >/dev/null 2>&1";
    return std::system(command) == 0 ? "" : "strace is missing, or must not trace here";
}

}  // namespace blockd::crash
