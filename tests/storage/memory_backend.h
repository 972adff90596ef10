// A backend whose disk is an array and whose clock is a number: nothing happens unless a test says
// so. Serves files only; sockets assert.
#pragma once

#include <blockd/io/backend.h>
#include <blockd/io/data_file.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace blockd::testing {

class MemoryBackend : public io::Backend {
  public:
    struct Options {
        uint64_t size;
        uint32_t alignment = 1;       // Asserted of every read and write.
        uint32_t hole_alignment = 1;  // Asserted of every punch_hole and zero_range.
        bool is_manual = false;       // Operations wait for finish() or fail().
        bool has_bytes = true;        // false: for punch_hole and zero_range of vast disks alone.
    };

    struct Record {
        io::OperationKind kind;
        uint64_t offset;
        uint64_t size;
    };

    explicit MemoryBackend(const Options& options);

    io::DataFile file() const;
    std::vector<std::byte>& bytes() { return bytes_; }

    // Every disk operation in the order of its submission.
    const std::vector<Record>& records() const { return records_; }
    size_t count(io::OperationKind kind) const;

    // Manual: what waits, in order; the next tick of the loop delivers what was finished.
    size_t pending_count() const { return pending_.count(); }
    Record pending(size_t index) const;
    void finish(size_t index);
    void finish_short(size_t index, uint32_t moved);
    void fail(size_t index, int os_errno);

    // Every punch_hole or zero_range fails with ENOTSUP / every sync with EIO from now on.
    bool refuses_punch_hole = false;
    bool refuses_zero_range = false;
    bool fails_syncs = false;

    // Every read that touches one of these bytes, or is larger, fails with EIO from now on.
    std::vector<uint64_t> bad_bytes;
    uint64_t good_read_max = UINT64_MAX;

    // What the file consists of, from its start to its end; while empty, it reports no extents.
    std::vector<io::Extent> layout;

    // What the next poll takes, although something is finished.
    uint64_t next_poll_ns = 0;

    const char* name() const override { return "memory"; }
    uint64_t now_ns() override { return now_ns_; }
    void submit(io::CompletionList& submitted, io::CompletionList& completed) override;
    void poll(io::CompletionList& completed, uint64_t wait_ns) override;
    void cancel(io::Completion& completion, io::CompletionList& completed) override;
    void wake() override {}
    uint32_t disk_depth() const override { return 32; }
    Result<io::Fd> open_socket(io::AddressFamily family) override;
    Result<io::Fd> listen(const io::ListenOptions& options) override;
    void shutdown(io::Fd socket, io::ShutdownKind kind) override;
    Result<io::Address> local_address(io::Fd socket) override;
    Result<io::Address> peer_address(io::Fd socket) override;

  private:
    io::Completion& take(size_t index);
    int64_t perform(const io::Operation& operation);
    bool is_bad(const io::Operation& read) const;
    int64_t perform_extents(const io::Operation& operation) const;
    int64_t perform_range(const io::Operation& operation, bool is_refused);

    const Options options_;
    std::vector<std::byte> bytes_;
    std::vector<Record> records_;
    io::CompletionList pending_;
    io::CompletionList finished_;
    uint64_t now_ns_ = 1;
};

}  // namespace blockd::testing
