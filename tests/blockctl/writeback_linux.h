// The test program's own sync_file_range(2), which fails a wait for a writeback as it does after
// the disk refused to take the data, and fdatasync(2), which counts. Both go on to the system
// unless a test says otherwise.
#pragma once

#include <cstdint>

namespace blockd::blockctl {

// While it lives, every wait for a writeback fails with EIO. One at a time.
class FailingWriteback {
  public:
    FailingWriteback();
    ~FailingWriteback();
    FailingWriteback(const FailingWriteback&) = delete;
    FailingWriteback& operator=(const FailingWriteback&) = delete;

    bool has_failed() const;
};

// While it lives, a file's fdatasync fails as on a file system that knows none. One at a time.
class UnknownSync {
  public:
    UnknownSync();
    ~UnknownSync();
    UnknownSync(const UnknownSync&) = delete;
    UnknownSync& operator=(const UnknownSync&) = delete;
};

// Folders that were ever synced.
uint32_t folder_sync_count();

}  // namespace blockd::blockctl
