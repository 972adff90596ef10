// A small file system of a chosen kind, in an image file, mounted for one test.
#pragma once

#include <cstdint>
#include <string>

namespace blockd::crash {

class LoopFileSystem {
  public:
    // Makes it in `folder` and mounts it. Where the system does not let us, reason() says why.
    // `kind`: "ext4" or "xfs". `room`: about how much is left for others, the rest is taken by a
    // file: XFS cannot be made small.
    LoopFileSystem(const std::string& folder, const std::string& kind, uint64_t room);
    LoopFileSystem(const LoopFileSystem&) = delete;
    LoopFileSystem& operator=(const LoopFileSystem&) = delete;
    ~LoopFileSystem();

    const std::string& reason() const { return reason_; }
    std::string file(const std::string& name) const { return mount_point_ + "/" + name; }

    // Takes all the space that is left, and gives it back.
    void fill();
    void free_filling();

  private:
    std::string mount_point_;
    bool is_mounted_ = false;
    std::string reason_;
};

}  // namespace blockd::crash
