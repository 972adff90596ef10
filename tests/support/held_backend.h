// A backend around the real one that holds disk operations back, fails them on demand, and knows
// what a power loss would leave of the data file.
//
//     backend.hold(io::OperationKind::sync);      from now on syncs wait ...
//     backend.held_count(io::OperationKind::sync)
//     backend.release_one(io::OperationKind::sync);
//     backend.release(io::OperationKind::sync);   ... until here
//
// Durable is what a sync covers: a write that had completed before the sync was given to the
// system, once that sync has completed. Nothing else. For one data file of bounded size.
// The lower half is for any thread; the Backend half is the loop's.
#pragma once

#include <blockd/io/backend.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace blockd::support {

class HeldBackend final : public io::Backend {
  public:
    // `file_size` bytes are followed; they are zeros now.
    HeldBackend(std::unique_ptr<io::Backend> inner, uint64_t file_size);

    void hold(io::OperationKind kind);
    void release(io::OperationKind kind);
    void release_one(io::OperationKind kind);  // The oldest; the next ones are still held.
    // One by one, the newest first: each is done before the next one starts. Whatever a server lets
    // overtake does overtake.
    void release_newest_first(io::OperationKind kind);
    uint32_t held_count(io::OperationKind kind) const;

    // Operations of this kind that ever came, held or not.
    uint32_t arrived_count(io::OperationKind kind) const;

    // How often the loop was told that more is about to come in.
    uint32_t expected_count() const { return expected_count_; }

    // The next `count` operations of this kind complete with this negated errno, and do nothing.
    void fail_next(io::OperationKind kind, int32_t result, uint32_t count = 1);

    // Reads that touch this byte of a file fail with EIO from now on.
    void break_byte(uint64_t offset);

    // What would be there after a power loss now.
    std::string durable_bytes(uint64_t offset, uint64_t size) const;

    const char* name() const override { return inner_->name(); }
    uint64_t now_ns() override { return inner_->now_ns(); }
    void submit(io::CompletionList& submitted, io::CompletionList& completed) override;
    void poll(io::CompletionList& completed, uint64_t wait_ns) override;
    void cancel(io::Completion& completion, io::CompletionList& completed) override;
    void wake() override { inner_->wake(); }
    void expect_more() override {
        ++expected_count_;
        inner_->expect_more();
    }
    uint32_t disk_depth() const override { return inner_->disk_depth(); }
    Result<io::Fd> open_socket(io::AddressFamily family) override;
    Result<io::Fd> listen(const io::ListenOptions& options) override;
    void shutdown(io::Fd socket, io::ShutdownKind kind) override;
    Result<io::Address> local_address(io::Fd socket) override;
    Result<io::Address> peer_address(io::Fd socket) override;

  private:
    static constexpr size_t kind_count = static_cast<size_t>(io::OperationKind::event) + 1;

    struct Kind {
        bool is_held = false;
        bool is_newest_first = false;             // Until nothing waits.
        const io::Completion* running = nullptr;  // The one of them that is on its way.
        uint32_t releases = 0;  // Held ones that may go, although the kind is held.
        uint32_t arrived = 0;
        int32_t failure = 0;         // Of the next ones,
        uint32_t failures = 0;       // which are so many.
        io::CompletionList waiting;  // Held back.
    };

    // A change of the file that has completed.
    struct Change {
        uint64_t offset;
        std::string bytes;
    };

    // A sync that the system works on, and how many changes it covers.
    struct RunningSync {
        const io::Completion* completion;
        size_t change_count;
    };

    bool is_broken(const io::Completion& completion) const;
    Kind& kind_of(const io::Completion& completion);
    void pass_on(io::CompletionList& operations, io::CompletionList& completed);
    static io::Completion* take_released(Kind& kind);
    void pass_on_released(io::CompletionList& completed);
    void take_completed(io::CompletionList& found, io::CompletionList& completed);
    void record(const io::Completion& completion);

    const std::unique_ptr<io::Backend> inner_;
    std::atomic<uint32_t> expected_count_ = 0;
    mutable std::mutex mutex_;
    std::array<Kind, kind_count> kinds_;
    std::optional<uint64_t> broken_byte_;
    std::vector<Change> changes_;
    std::vector<RunningSync> running_syncs_;
    size_t durable_change_count_ = 0;
    std::string durable_;
};

}  // namespace blockd::support
