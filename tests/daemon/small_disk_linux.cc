#include "daemon/small_disk.h"

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace blockd::daemon {

SmallDisk::SmallDisk(std::string folder, uint64_t size) : folder_(std::move(folder)) {
    const std::string options = "size=" + std::to_string(size);
    if (mount("tmpfs", folder_.c_str(), "tmpfs", 0, options.c_str()) == 0) return;
    reason_ = std::string("cannot mount a tmpfs: ") + std::strerror(errno);
}

SmallDisk::~SmallDisk() {
    if (is_mounted()) umount2(folder_.c_str(), MNT_DETACH);
}

}  // namespace blockd::daemon
