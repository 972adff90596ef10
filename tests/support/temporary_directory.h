// A folder of its own for one test, gone with everything in it at the end.
//
// It lies on a real disk file system where the tests' temporary files do: TMPDIR, else /tmp.
// Paths stay short enough for a unix socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace blockd::support {

class TemporaryDirectory {
  public:
    TemporaryDirectory();                                    // In the system's own place.
    explicit TemporaryDirectory(const std::string& parent);  // Empty: the same.
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    const std::string& path() const { return path_; }
    std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    std::string path_;
};

// Makes a file of `size` bytes, all of it a hole.
void make_sparse_file(const std::string& path, uint64_t size);

// Writes at `offset`, making the file where there is none.
void write_file(const std::string& path, std::string_view bytes, uint64_t offset = 0);

// Reads behind the server's back. Shorter where the file ends.
std::string read_file(const std::string& path, uint64_t offset, uint64_t size);
std::string read_file(const std::string& path);

uint64_t file_size(const std::string& path);

// Bytes of the disk that the file holds.
uint64_t allocated_bytes(const std::string& path);

// `size` bytes that no other seed gives; never a zero among them, so that holes are told apart.
std::string pattern(uint64_t size, uint32_t seed);

}  // namespace blockd::support
