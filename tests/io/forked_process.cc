#include "io/forked_process.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

namespace blockd::io {
namespace {

constexpr uid_t nobody = 65534;

// What a child reports of its failure; it has no other memory in common with its parent.
struct Report {
    bool is_open;
    DataFile file;
    Error error;
    std::array<char, 1024> message;
};

[[noreturn]] void report_opening(const DataFileOptions& options, int report_fd) {
    Report report = {};
    if (geteuid() == 0 && (setgid(nobody) != 0 || setuid(nobody) != 0)) {
        _exit(2);
    }
    const auto opened = open_data_file(options);
    if (const DataFileFailure* failure = std::get_if<DataFileFailure>(&opened)) {
        report.error = failure->error;
        std::strncpy(report.message.data(), failure->message.c_str(), report.message.size() - 1);
    } else {
        report.is_open = true;
        report.file = std::get<DataFile>(opened);
    }
    _exit(write(report_fd, &report, sizeof(report)) == sizeof(report) ? 0 : 2);
}

[[noreturn]] void own_until_closed(const DataFileOptions& options, int order_fd, int ready_fd) {
    const auto opened = open_data_file(options);
    const char is_owner = std::holds_alternative<DataFile>(opened) ? 1 : 0;
    char none = 0;
    if (write(ready_fd, &is_owner, 1) != 1) {
        _exit(2);
    }
    _exit(read(order_fd, &none, 1) == 0 ? 0 : 2);
}

}  // namespace

ForeignOwner::ForeignOwner(const DataFileOptions& options) {
    std::array<int, 2> order = {};
    std::array<int, 2> ready = {};
    EXPECT_EQ(pipe(order.data()), 0);
    EXPECT_EQ(pipe(ready.data()), 0);
    std::fflush(nullptr);  // Or the child would print it again.
    process_ = fork();
    if (process_ == 0) {
        close(order[1]);
        own_until_closed(options, order[0], ready[1]);
    }
    close(order[0]);
    close(ready[1]);
    order_fd_ = order[1];
    char is_owner = 0;
    is_owner_ = read(ready[0], &is_owner, 1) == 1 && is_owner == 1;
    close(ready[0]);
}

void ForeignOwner::release() {
    if (process_ > 0) {
        close(order_fd_);
        EXPECT_EQ(waitpid(process_, nullptr, 0), process_);
        process_ = -1;
    }
}

std::variant<DataFile, DataFileFailure> open_without_privileges(const DataFileOptions& options) {
    std::array<int, 2> report_pipe = {};
    EXPECT_EQ(pipe(report_pipe.data()), 0);
    std::fflush(nullptr);
    const pid_t process = fork();
    if (process == 0) {
        report_opening(options, report_pipe[1]);
    }
    close(report_pipe[1]);
    Report report = {};
    EXPECT_EQ(read(report_pipe[0], &report, sizeof(report)), ssize_t{sizeof(report)});
    close(report_pipe[0]);
    EXPECT_EQ(waitpid(process, nullptr, 0), process);
    if (report.is_open) {
        report.file.fd = Fd::none;
        return report.file;
    }
    return DataFileFailure{report.error, report.message.data()};
}

void give_to_unprivileged(const std::string& path) {
    if (geteuid() == 0) {
        EXPECT_EQ(chown(path.c_str(), nobody, nobody), 0);
    }
}

}  // namespace blockd::io
