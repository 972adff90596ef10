#include "blockctl/output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace blockd::blockctl {
namespace {

constexpr mode_t mode = 0666;  // The umask takes away what the user does not want.

// Pipes and terminals belong to nobody.
bool can_be_owned(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
}

// Where a file system knows no locks, nobody can own a file.
bool is_owned_elsewhere(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

OutputFile open_output_file(const std::string& path, int access) {
    OutputFile file;
    file.fd = ::open(path.c_str(), access | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    file.is_new = file.fd >= 0;
    if (!file.is_new) file.fd = ::open(path.c_str(), access | O_CREAT | O_CLOEXEC, mode);
    if (file.fd < 0) {
        file.complaint = "cannot open " + path + ": " + std::strerror(errno);
    } else if (can_be_owned(file.fd) && is_owned_elsewhere(file.fd)) {
        file.complaint = "cannot overwrite " + path + ": another process owns it";
    }
    return file;
}

}  // namespace blockd::blockctl
