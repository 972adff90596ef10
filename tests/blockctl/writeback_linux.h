// The test programs' own sync_file_range(2): it asks the system, or fails a wait for a writeback
// as it does after the disk refused to take the data.
#pragma once

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

}  // namespace blockd::blockctl
