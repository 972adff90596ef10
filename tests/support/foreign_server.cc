#include "support/foreign_server.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::support {
namespace {

constexpr std::string_view port_key = "port = ";

// Its exports are files of a configuration.
std::string nbd_server_config(const std::string& file, const std::string& socket_path) {
    const std::string path = socket_path + ".conf";
    write_file(path, "[generic]\nallowlist = true\nlistenaddr = 127.0.0.1\n" +
                         std::string(port_key) + std::to_string(free_tcp_port()) +
                         "\n[disk]\nexportname = " + file +
                         "\nflush = true\nfua = true\ntrim = true\n");
    return path;
}

uint16_t port_of_config(const std::string& path) {
    const std::string text = read_file(path);
    const size_t at = text.find(port_key) + port_key.size();
    return uint16_t(std::strtoul(text.c_str() + at, nullptr, 10));
}

std::vector<std::string> command_line(ServerKind kind, const std::string& file,
                                      const std::string& socket_path) {
    const std::string program = program_of(kind);
    switch (kind) {
        case ServerKind::nbdkit: return {program, "-f", "-U", socket_path, "file", file};
        case ServerKind::qemu_nbd:
            return {program,
                    "-t",
                    "-f",
                    "raw",
                    "-k",
                    socket_path,
                    "-x",
                    "disk",
                    "-e",
                    "16",
                    "--discard=unmap",
                    "--detect-zeroes=off",
                    file};
        case ServerKind::nbd_server:
            // Unless it becomes a daemon it serves one connection only.
            return {program, "-C", nbd_server_config(file, socket_path), "-p",
                    socket_path + ".pid"};
        case ServerKind::blockd:
            return {program, "--socket", socket_path, "--export", "disk", file};
    }
    return {};
}

std::vector<std::string> joined(std::vector<std::string> words,
                                const std::vector<std::string>& extra) {
    words.insert(words.end(), extra.begin(), extra.end());
    return words;
}

}  // namespace

const char* name_of(ServerKind kind) {
    switch (kind) {
        case ServerKind::nbdkit: return "nbdkit";
        case ServerKind::qemu_nbd: return "qemu_nbd";
        case ServerKind::nbd_server: return "nbd_server";
        case ServerKind::blockd: return "blockd";
    }
    return "";
}

std::string program_of(ServerKind kind) {
    switch (kind) {
        case ServerKind::nbdkit: return find_program("nbdkit");
        case ServerKind::qemu_nbd: return find_program("qemu-nbd");
        case ServerKind::nbd_server: return find_program("nbd-server");
        case ServerKind::blockd: {
            const char* const program = std::getenv("BLOCKD");
            return program == nullptr ? "" : program;
        }
    }
    return {};
}

ForeignServer::ForeignServer(ServerKind kind, const std::string& file,
                             const std::string& socket_path, const std::vector<std::string>& extra)
    : ForeignServer(kind, joined(command_line(kind, file, socket_path), extra), socket_path) {}

ForeignServer::ForeignServer(ServerKind kind, const std::vector<std::string>& words,
                             const std::string& socket_path)
    : kind_(kind), socket_path_(socket_path) {
    if (is_daemon()) port_ = port_of_config(socket_path + ".conf");
    const std::string log = socket_path + ".log";
    program_ = std::make_unique<Program>(words, Program::Files{.output = log, .errors = log});
    eventually([this] { return is_ready() || (!program_->is_running() && !is_daemon()); });
    EXPECT_TRUE(is_ready()) << words[0] << " does not start: " << read_file(log);
}

ForeignServer::~ForeignServer() {
    if (daemon()) kill(*daemon(), SIGKILL);
}

bool ForeignServer::is_greeting() const {
    return is_daemon() ? is_listening(port_) : is_listening(socket_path_);
}

bool ForeignServer::is_ready() { return is_greeting() && (daemon() || program_->is_running()); }

// The process that an nbd-server leaves behind: its pid file says which.
std::optional<pid_t> ForeignServer::daemon() const {
    if (!is_daemon()) return std::nullopt;
    const std::string path = socket_path_ + ".pid";
    if (access(path.c_str(), R_OK) != 0) return std::nullopt;
    const std::string text = read_file(path);
    const pid_t process = pid_t(std::strtol(text.c_str(), nullptr, 10));
    return process > 0 ? std::optional(process) : std::nullopt;
}

std::string ForeignServer::uri(const std::string& export_name) const {
    if (is_daemon()) return "nbd://127.0.0.1:" + std::to_string(port_) + "/" + export_name;
    return "nbd+unix:///" + export_name + "?socket=" + socket_path_;
}

void ForeignServer::stop() {
    if (daemon()) {
        kill(*daemon(), SIGTERM);
    } else {
        program_->signal(SIGTERM);
    }
    EXPECT_TRUE(program_->wait()) << "the server does not end";
    EXPECT_TRUE(eventually([this] { return !is_greeting(); }));
}

}  // namespace blockd::support
