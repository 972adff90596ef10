#include "blockctl/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "blockctl/message.h"

namespace blockd::blockctl {

bool write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes = bytes.subspan(size_t(written));
    }
    return true;
}

ExitStatus print(std::string_view text) {
    if (write_all(STDOUT_FILENO, std::as_bytes(std::span(text)))) return ExitStatus::done;
    complain(std::string("cannot write to stdout: ") + std::strerror(errno));
    return ExitStatus::file;
}

}  // namespace blockd::blockctl
