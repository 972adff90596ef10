#include "daemon/small_disk.h"

#include <utility>

namespace blockd::daemon {

SmallDisk::SmallDisk(std::string folder, uint64_t)
    : folder_(std::move(folder)), reason_("only Linux mounts a memory disk with one call") {}

SmallDisk::~SmallDisk() = default;

}  // namespace blockd::daemon
