#include "blockctl/foreign_server.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {
namespace {

// nbd-server knows no command line for unix sockets: a file tells it.
std::string nbd_server_config(const std::string& file, const std::string& socket_path) {
    const std::string path = socket_path + ".conf";
    support::write_file(path, "[generic]\nunixsock = " + socket_path +
                                  "\nallowlist = true\nport = 0\n[disk]\nexportname = " + file +
                                  "\nflush = true\nfua = true\ntrim = true\n");
    return path;
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
            return {program, "-d", "-C", nbd_server_config(file, socket_path)};
        case ServerKind::blockd:
            return {program, "--socket", socket_path, "--export", "disk", file};
    }
    return {};
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
    : socket_path_(socket_path) {
    std::vector<std::string> words = command_line(kind, file, socket_path);
    words.insert(words.end(), extra.begin(), extra.end());
    const std::string log = socket_path + ".log";
    program_ = std::make_unique<Program>(words, Program::Files{.output = log, .errors = log});
    const bool is_ready =
        support::eventually([&] { return is_listening(socket_path) || !program_->is_running(); });
    EXPECT_TRUE(is_ready && program_->is_running())
        << words[0] << " does not start: " << support::read_file(log);
}

std::string ForeignServer::uri(const std::string& export_name) const {
    return "nbd+unix:///" + export_name + "?socket=" + socket_path_;
}

void ForeignServer::stop() {
    program_->signal(SIGTERM);
    EXPECT_TRUE(program_->wait()) << "the server does not end";
}

}  // namespace blockd::blockctl
