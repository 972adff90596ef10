#include "support/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "support/daemon_process.h"

extern char** environ;

namespace blockd::support {

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::string candidate = folder + "/" + name;
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

Program::Program(const std::vector<std::string>& words, const Files& files) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);

    constexpr int write_flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, files.input.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, files.output.c_str(), write_flags, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, files.errors.c_str(), write_flags, 0600);
    const int failure =
        posix_spawnp(&process_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        process_ = -1;
        ADD_FAILURE() << "cannot run " << words[0] << ": " << std::strerror(failure);
    }
}

Program::~Program() {
    if (!is_running()) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
}

bool Program::is_running() {
    if (process_ < 0 || status_) return false;
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) != process_) return true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

void Program::signal(int number) const {
    if (process_ > 0 && !status_) kill(process_, number);
}

std::optional<int> Program::wait() {
    constexpr int32_t patience_ms = 60'000;
    eventually([this] { return !is_running(); }, patience_ms);
    return status_;
}

namespace {

bool is_greeted(int family, const sockaddr* address, socklen_t address_size) {
    const int socket_fd = socket(family, SOCK_STREAM, 0);
    const struct timeval patience = {.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char greeting = 0;
    // A client that is gone before it is greeted ends nbd-server 3.24.
    const bool is_answered = connect(socket_fd, address, address_size) == 0 &&
                             recv(socket_fd, &greeting, sizeof(greeting), 0) == 1;
    close(socket_fd);
    return is_answered;
}

}  // namespace

bool is_listening(const std::string& socket_path) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
    return is_greeted(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

bool is_listening(uint16_t port) {
    struct sockaddr_in address {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return is_greeted(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace blockd::support
