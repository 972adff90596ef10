#include "support/daemon_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/temporary_directory.h"

extern char** environ;

namespace blockd::support {
namespace {

int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

uint16_t free_tcp_port() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const pointer = reinterpret_cast<sockaddr*>(&address);
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(bind(descriptor, pointer, size), 0);
    EXPECT_EQ(getsockname(descriptor, pointer, &size), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

void raise_descriptor_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);  // macOS refuses RLIM_INFINITY.
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Patience::Patience(int32_t timeout_ms) : deadline_ms_(now_ms() + timeout_ms) {}

bool Patience::wait() {
    if (now_ms() >= deadline_ms_) return false;
    const timespec pause = {.tv_sec = 0, .tv_nsec = 2'000'000};
    nanosleep(&pause, nullptr);
    return true;
}

DaemonProcess::~DaemonProcess() {
    if (is_running()) kill_now();
}

std::string DaemonProcess::program() {
    const char* const path = getenv("BLOCKD");
    EXPECT_NE(path, nullptr) << "BLOCKD names no program";
    return path == nullptr ? "" : path;
}

void DaemonProcess::start(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = launcher_;
    words.push_back(program());
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int flags = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_path_.c_str(), flags, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    // The clients of this process ignore SIGPIPE; the daemon must do well without that.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    exit_code_.reset();
    std::error_code no_log_yet;
    const uint64_t log_size = std::filesystem::file_size(log_path_, no_log_yet);
    log_size_at_start_ = no_log_yet ? 0 : log_size;
    const int error =
        posix_spawnp(&process_, pointers[0], &actions, &attributes, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) process_ = -1;
    EXPECT_EQ(error, 0) << "cannot start " << words[0] << ": " << strerror(error);
}

bool DaemonProcess::wait_until_ready(const Endpoint& endpoint) {
    const bool is_ready = eventually([&] {
        if (!is_running()) return true;
        return has_said_ready() && WireClient::can_connect(endpoint);
    });
    if (is_ready && is_running()) return true;
    ADD_FAILURE() << "the daemon does not serve; it says:\n" << log();
    return false;
}

// Its first listener takes connections before its last one is open.
bool DaemonProcess::has_said_ready() const {
    return log().find(" is ready\n", log_size_at_start_) != std::string::npos;
}

bool DaemonProcess::reap() {
    if (process_ < 0) return true;
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) != process_) return false;
    process_ = -1;
    exit_code_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

bool DaemonProcess::is_running() { return !reap(); }

void DaemonProcess::signal(int number) {
    if (is_running()) kill(process_, number);
}

void DaemonProcess::kill_now() {
    signal(SIGKILL);
    wait_for_exit();
}

std::optional<int> DaemonProcess::wait_for_exit(int32_t timeout_ms) {
    if (eventually([this] { return !is_running(); }, timeout_ms)) return exit_code_;
    ADD_FAILURE() << "the daemon has not ended; it says:\n" << log();
    return std::nullopt;
}

std::optional<int> DaemonProcess::terminate() {
    signal(SIGTERM);
    return wait_for_exit();
}

std::string DaemonProcess::log() const { return read_file(log_path_); }

std::string DaemonProcess::log_tail() const {
    constexpr size_t size_max = 4000;
    const std::string text = log();
    if (text.size() <= size_max) return text;
    return text.substr(text.find('\n', text.size() - size_max) + 1);
}

}  // namespace blockd::support
