// A file system of a few MiB, mounted for one test: to fill it up.
#pragma once

#include <cstdint>
#include <string>

namespace blockd::daemon {

class SmallDisk {
  public:
    // Mounts it on the folder. Where the system does not let us, reason() says why.
    SmallDisk(std::string folder, uint64_t size);
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk();

    bool is_mounted() const { return reason_.empty(); }
    const std::string& reason() const { return reason_; }

  private:
    std::string folder_;
    std::string reason_;
};

}  // namespace blockd::daemon
