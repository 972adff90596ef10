#include "blockctl/writeback_linux.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace blockd::blockctl {
namespace {

std::atomic<bool> is_failing = false;
std::atomic<bool> has_a_wait_failed = false;

}  // namespace

FailingWriteback::FailingWriteback() {
    has_a_wait_failed = false;
    is_failing = true;
}

FailingWriteback::~FailingWriteback() { is_failing = false; }

bool FailingWriteback::has_failed() const { return has_a_wait_failed; }

}  // namespace blockd::blockctl

// Stands before the C library's, for the program it is linked into.
extern "C" int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    using namespace blockd::blockctl;
    if (is_failing && (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
        has_a_wait_failed = true;
        errno = EIO;
        return -1;
    }
    return int(syscall(SYS_sync_file_range, fd, offset, size, flags));
}
