#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "blockctl/batch.h"
#include "blockctl/command.h"
#include "blockctl/message.h"
#include "blockctl/request_buffers.h"
#include "blockctl/session.h"

namespace blockd::blockctl {
namespace {

// Where the bytes come from: stdin or a file.
class WriteInput {
  public:
    explicit WriteInput(const std::string& path) : name_(path == "-" ? "stdin" : path) {
        fd_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        is_owned_ = path != "-";
    }
    ~WriteInput() {
        if (is_owned_ && fd_ >= 0) ::close(fd_);
    }
    WriteInput(const WriteInput&) = delete;
    WriteInput& operator=(const WriteInput&) = delete;

    bool is_open() const { return fd_ >= 0; }

    // Known before anything is read only for a file.
    std::optional<uint64_t> size() const {
        struct stat status {};
        if (!is_owned_ || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
        return uint64_t(status.st_size);
    }

    // Fills the buffer unless the input ends; nullopt leaves errno.
    std::optional<size_t> fill(std::span<std::byte> buffer) {
        size_t filled = 0;
        while (filled < buffer.size()) {
            const ssize_t count = ::read(fd_, buffer.data() + filled, buffer.size() - filled);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return std::nullopt;
            if (count == 0) break;
            filled += size_t(count);
        }
        return filled;
    }

    ExitStatus fail() const {
        complain("cannot read " + name_ + ": " + std::strerror(errno));
        return ExitStatus::file;
    }

  private:
    std::string name_;
    int fd_ = -1;
    bool is_owned_ = false;
};

ExitStatus write_round(Session& session, std::span<const std::byte> bytes, uint64_t offset,
                       uint16_t flags) {
    Batch batch(session);
    for (size_t at = 0; at < bytes.size();) {
        const uint64_t size = std::min(session.request_size(), uint64_t(bytes.size() - at));
        const Batch::Range range = {.offset = offset + at, .size = size, .flags = flags};
        if (!batch.write(bytes.subspan(at, size), range)) break;
        at += size;
    }
    return batch.wait();
}

ExitStatus check(const Session& session, const Invocation& invocation, const WriteInput& input) {
    ExitStatus status = session.require_writable();
    if (status == ExitStatus::done && invocation.is_fua) {
        status = session.require(nbd::transmission_flag::send_fua, "FUA");
    }
    if (status == ExitStatus::done) {
        status = session.require_range(invocation.offset, input.size().value_or(0));
    }
    return status;
}

ExitStatus write_input(Session& session, const Invocation& invocation, WriteInput& input) {
    const uint16_t flags = invocation.is_fua ? nbd::command_flag::fua : 0;
    const RequestBuffers buffers(Batch::depth, uint32_t(session.request_size()));
    if (!buffers.is_allocated()) return fail_without_memory();
    uint64_t offset = invocation.offset;
    while (true) {
        const std::optional<size_t> filled = input.fill(buffers.whole());
        if (!filled) return input.fail();
        if (*filled == 0) return ExitStatus::done;

        ExitStatus status = session.require_range(offset, *filled);
        if (status != ExitStatus::done) return status;
        status = write_round(session, buffers.whole().first(*filled), offset, flags);
        if (status != ExitStatus::done) return status;
        offset += *filled;
    }
}

}  // namespace

ExitStatus run_write(const Invocation& invocation) {
    WriteInput input(invocation.file);
    if (!input.is_open()) return input.fail();

    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::unused);
    if (status == ExitStatus::done) status = check(session, invocation, input);
    if (status == ExitStatus::done) status = write_input(session, invocation, input);
    return status;
}

}  // namespace blockd::blockctl
