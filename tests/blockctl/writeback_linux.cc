#include "blockctl/writeback_linux.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace blockd::blockctl {
namespace {

std::atomic<bool> is_failing = false;
std::atomic<bool> has_a_wait_failed = false;
std::atomic<bool> is_sync_unknown = false;
std::atomic<uint32_t> folder_syncs = 0;

}  // namespace

FailingWriteback::FailingWriteback() {
    has_a_wait_failed = false;
    is_failing = true;
}

FailingWriteback::~FailingWriteback() { is_failing = false; }

bool FailingWriteback::has_failed() const { return has_a_wait_failed; }

UnknownSync::UnknownSync() { is_sync_unknown = true; }

UnknownSync::~UnknownSync() { is_sync_unknown = false; }

uint32_t folder_sync_count() { return folder_syncs; }

}  // namespace blockd::blockctl

// Both stand before the C library's, for the program that they are linked into.
extern "C" int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    using namespace blockd::blockctl;
    if (is_failing && (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
        has_a_wait_failed = true;
        errno = EIO;
        return -1;
    }
    return int(syscall(SYS_sync_file_range, fd, offset, size, flags));
}

extern "C" int fdatasync(int fd) {
    using namespace blockd::blockctl;
    struct stat status {};
    const bool is_folder = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    if (is_folder) ++folder_syncs;
    if (!is_folder && is_sync_unknown) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return int(syscall(SYS_fdatasync, fd));
}
