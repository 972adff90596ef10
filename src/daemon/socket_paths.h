// The unix socket paths that this daemon made, removed when it no longer listens there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace blockd::daemon {

class SocketPaths {
  public:
    SocketPaths() = default;
    SocketPaths(const SocketPaths&) = delete;
    SocketPaths& operator=(const SocketPaths&) = delete;
    ~SocketPaths() { remove_all(); }

    // Call it once the socket listens there.
    void add(const std::string& path);

    // Removes each path unless another socket took its place meanwhile.
    void remove_all();

  private:
    struct Entry {
        std::string path;
        uint64_t device;
        uint64_t inode;
    };

    std::vector<Entry> entries_;
};

}  // namespace blockd::daemon
