#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "blockctl/batch.h"
#include "blockctl/command.h"
#include "blockctl/hex_dump.h"
#include "blockctl/message.h"
#include "blockctl/output.h"
#include "blockctl/output_file.h"
#include "blockctl/request_buffers.h"
#include "blockctl/session.h"

namespace blockd::blockctl {
namespace {

// Where the bytes go: stdout, or a file that is made or emptied.
class ReadOutput {
  public:
    explicit ReadOutput(const std::string& path) : name_(path.empty() ? "stdout" : path) {
        if (path.empty()) {
            fd_ = STDOUT_FILENO;
            is_terminal_ = isatty(fd_) == 1;
        }
    }
    ~ReadOutput() { static_cast<void>(close()); }
    ReadOutput(const ReadOutput&) = delete;
    ReadOutput& operator=(const ReadOutput&) = delete;

    ExitStatus open() {
        if (fd_ >= 0) return ExitStatus::done;
        OutputFile file = open_output_file(name_, O_WRONLY);
        fd_ = file.fd;
        is_owned_ = fd_ >= 0;
        if (!file.complaint.empty()) {
            complain(file.complaint);
            return ExitStatus::file;
        }
        return is_emptied() ? ExitStatus::done : fail();
    }

    bool write(std::span<const std::byte> bytes, uint64_t offset) {
        if (!is_terminal_) return write_all(fd_, bytes);
        const std::string text = hex_dump(bytes, offset);
        return write_all(fd_, std::as_bytes(std::span(text)));
    }

    bool close() {
        if (!is_owned_) return true;
        is_owned_ = false;
        return ::close(fd_) == 0;
    }

    ExitStatus fail() const {
        complain("cannot write to " + name_ + ": " + std::strerror(errno));
        return ExitStatus::file;
    }

  private:
    // Only a file has a length.
    bool is_emptied() const {
        struct stat status {};
        if (fstat(fd_, &status) != 0) return false;
        return !S_ISREG(status.st_mode) || ftruncate(fd_, 0) == 0;
    }

    std::string name_;
    int fd_ = -1;
    bool is_owned_ = false;
    bool is_terminal_ = false;
};

// Fills `bytes` from `offset` on, in as many requests as it takes.
ExitStatus read_round(Session& session, std::span<std::byte> bytes, uint64_t offset) {
    Batch batch(session);
    for (size_t at = 0; at < bytes.size();) {
        const uint64_t size = std::min(session.request_size(), uint64_t(bytes.size() - at));
        const Batch::Range range = {.offset = offset + at, .size = size};
        if (!batch.read(bytes.subspan(at, size), range)) break;
        at += size;
    }
    return batch.wait();
}

}  // namespace

ExitStatus run_read(const Invocation& invocation) {
    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::unused);
    if (status == ExitStatus::done) {
        status = session.require_range(invocation.offset, invocation.size);
    }
    if (status != ExitStatus::done) return status;

    ReadOutput output(invocation.file);
    status = output.open();
    if (status != ExitStatus::done) return status;

    const RequestBuffers buffers(Batch::depth, uint32_t(session.request_size()));
    if (!buffers.is_allocated()) return fail_without_memory();
    for (uint64_t done = 0; done < invocation.size;) {
        const uint64_t size = std::min(uint64_t(buffers.whole().size()), invocation.size - done);
        const auto bytes = buffers.whole().first(size);
        status = read_round(session, bytes, invocation.offset + done);
        if (status != ExitStatus::done) return status;
        if (!output.write(bytes, invocation.offset + done)) return output.fail();
        done += size;
    }
    return output.close() ? ExitStatus::done : output.fail();
}

}  // namespace blockd::blockctl
