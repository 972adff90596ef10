#include "daemon/socket_paths.h"

#include <sys/stat.h>
#include <unistd.h>

namespace blockd::daemon {

void SocketPaths::add(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return;  // Somebody was quick to remove it.
    entries_.push_back({path, static_cast<uint64_t>(status.st_dev), status.st_ino});
}

void SocketPaths::remove_all() {
    for (const Entry& entry : entries_) {
        struct stat status {};
        if (lstat(entry.path.c_str(), &status) != 0) continue;
        const bool is_ours =
            static_cast<uint64_t>(status.st_dev) == entry.device && status.st_ino == entry.inode;
        if (is_ours) unlink(entry.path.c_str());
    }
    entries_.clear();
}

}  // namespace blockd::daemon
