#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "blockctl/page_cache_drain.h"
#include "io/os_error.h"

namespace blockd::blockctl {
namespace {

// The pages that a run of writes touched lie in it, and maybe others, which do not matter: of those
// that are not dirty there is nothing to write, and a copy does not read what it writes.
struct Range {
    uint64_t offset = 0;
    uint64_t size = 0;

    void cover(const Range& other) {
        const uint64_t end = std::max(offset + size, other.offset + other.size);
        offset = size == 0 ? other.offset : std::min(offset, other.offset);
        size = end - offset;
    }
};

// A queue of so many ranges at most.
template <size_t count_max>
class RangeQueue {
  public:
    bool is_empty() const { return count_ == 0; }
    bool is_full() const { return count_ == count_max; }

    void push(const Range& range) {
        ASSERT(!is_full());
        ranges_[(first_ + count_) % count_max] = range;
        ++count_;
    }

    Range pop() {
        ASSERT(!is_empty());
        const Range range = ranges_[first_];
        first_ = (first_ + 1) % count_max;
        --count_;
        return range;
    }

  private:
    std::array<Range, count_max> ranges_;
    size_t first_ = 0;
    size_t count_ = 0;
};

}  // namespace

class PageCacheDrain::Thread {
  public:
    explicit Thread(io::Fd file) : file_(file), thread_([this] { run(); }) {}

    ~Thread() { join(); }

    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    Result<Ok> end() {
        join();
        if (failure_) return *failure_;
        return Ok();
    }

    // Where the disk is that far behind, the system writes the run back when it likes.
    void push(const Range& range) {
        {
            const std::lock_guard lock(mutex_);
            run_.cover(range);
            run_written_ += range.size;
            if (run_written_ < run_size_min) return;
            if (!written_.is_full()) written_.push(run_);
            run_ = {};
            run_written_ = 0;
        }
        changed_.notify_one();
    }

  private:
    // Bytes that are written before the thread is woken: it then asks the system three times for 16
    // writes of 256 KiB, not 48 times.
    static constexpr uint64_t run_size_min = 4u << 20;

    static constexpr size_t written_count_max = 256;

    // Runs on their way to the disk before the oldest is waited for.
    static constexpr size_t writeback_count_max = 2;

    void join() {
        if (!thread_.joinable()) return;
        {
            const std::lock_guard lock(mutex_);
            is_ending_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    void run() {
        RangeQueue<writeback_count_max> in_writeback;
        for (Range range{}; take(range);) {
            if (!start_writeback(range)) return;
            if (in_writeback.is_full() && !drop(in_writeback.pop())) return;
            in_writeback.push(range);
        }
    }

    // A failure here is no more than a reason to stop: nobody has waited, so that the system's note
    // of what went wrong is left for the file's sync.
    bool start_writeback(const Range& range) const {
        return sync_file_range(int(file_), off_t(range.offset), off_t(range.size),
                               SYNC_FILE_RANGE_WRITE) == 0;
    }

    bool take(Range& range) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_ending_ || !written_.is_empty(); });
        if (is_ending_) return false;
        range = written_.pop();
        return true;
    }

    // Only clean pages can be dropped (posix_fadvise(2)): the writeback is waited for first.
    bool drop(const Range& range) {
        const auto offset = off_t(range.offset);
        const auto size = off_t(range.size);
        const int result = sync_file_range(
            int(file_), offset, size,
            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        if (result != 0) {
            failure_ = io::error_from_errno(errno, "write the file back");
            return false;
        }
        posix_fadvise(int(file_), offset, size, POSIX_FADV_DONTNEED);
        return true;
    }

    io::Fd file_;
    std::mutex mutex_;
    std::condition_variable changed_;
    Range run_;                              // What was written since the last push.
    uint64_t run_written_ = 0;               // Bytes of it.
    RangeQueue<written_count_max> written_;  // And not taken yet.
    bool is_ending_ = false;
    std::optional<Error> failure_;  // The thread's until it is joined.
    std::thread thread_;            // Last: it uses all of the above.
};

PageCacheDrain::PageCacheDrain(io::Fd file) : thread_(std::make_unique<Thread>(file)) {}

PageCacheDrain::~PageCacheDrain() = default;

void PageCacheDrain::written(uint64_t offset, uint64_t size) {
    thread_->push({.offset = offset, .size = size});
}

Result<Ok> PageCacheDrain::end() { return thread_->end(); }

}  // namespace blockd::blockctl
