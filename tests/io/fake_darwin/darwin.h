// A macOS made of a few files, so that blockd's macOS files run on Linux. It records every call in
// plain words, and answers as it is told to. While one exists, it is what those files call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace blockd::io::fake_darwin {

struct File {
    enum class Kind : uint8_t { regular, directory, block_device, pipe };

    Kind kind = Kind::regular;
    uint64_t size = 0;
    uint64_t reserved_size = 0;
    bool is_written_elsewhere = false;  // Another process holds the exclusive lock.
    uint64_t inode = 0;                 // Given when it is first asked for.
};

struct OpenFile {
    std::string path;
    uint64_t inode = 0;  // Stays, whatever happens to the path.
};

class Darwin {
  public:
    Darwin();
    Darwin(const Darwin&) = delete;
    Darwin& operator=(const Darwin&) = delete;
    ~Darwin();

    // The next `times` calls whose text begins like this fail with this errno.
    void fail(const std::string& call, int error, uint32_t times = 1);

    // What others do just before the first call whose text begins like this.
    void before(const std::string& call, std::function<void()> deed);

    // Calls that the recorded ones begin with, in order: "F_FULLFSYNC disk.img".
    std::vector<std::string> calls_named(const std::string& name) const;

    std::map<std::string, File> files;   // By path; "." is there from the start.
    std::map<int, OpenFile> open_files;  // By fd.
    std::vector<std::string> calls;
    uint64_t free_size = uint64_t{1} << 40;
    uint32_t block_size = 4096;
    uint64_t transfer_size_max = UINT64_MAX;  // Of one pread or pwrite.
    std::vector<uint64_t> reserve_sizes;      // What the next F_PREALLOCATEs give of it all.
    uint64_t kept_size = 0;                   // What an F_PREALLOCATE that fails reserves.

    // For the fake's functions: records a call; false (with errno set) if it shall fail.
    bool record(const std::string& call);
    uint64_t inode_of(File& file);

  private:
    struct Deed {
        std::string call;
        std::function<void()> deed;
    };
    struct Failure {
        std::string call;
        int error;
        uint32_t times;
    };

    std::vector<Deed> deeds_;
    std::vector<Failure> failures_;
    uint64_t inode_count_ = 0;
};

}  // namespace blockd::io::fake_darwin
