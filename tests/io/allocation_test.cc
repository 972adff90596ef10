// Rule 2: no operation allocates. A program of its own: it replaces operator new.
#include "io/loop_conformance.h"

#include "support/temporary_directory.h"

#include <atomic>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <new>
#include <unistd.h>

namespace {

std::atomic<size_t> allocation_count = 0;  // Disk workers count too.

void* allocate(size_t size, size_t alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ++allocation_count;
    void* const memory = std::aligned_alloc(alignment, (size / alignment + 1) * alignment);
    if (memory == nullptr) std::abort();
    return memory;
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) {
    return allocate(size, size_t(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace blockd::io {
namespace {

// Every kind of operation in turn, again and again; counts the rounds.
class EveryOperation {
  public:
    EveryOperation(Loop& loop, std::array<Fd, 2> pair, Fd file)
        : loop_(loop), pair_(pair), file_(file) {
        loop_.open_event(event_);
    }
    ~EveryOperation() { loop_.close_event(event_); }

    void start() {
        pending_count_ = 7;
        loop_.recv(recv_, {.socket = pair_[0], .vectors = in_.vectors()}, sized());
        loop_.send(send_, {.socket = pair_[1], .vectors = out_.vectors()}, sized());
        loop_.write(write_, {.file = file_, .buffer = out_.bytes(), .offset = 0}, sized());
        loop_.sync(sync_, {.file = file_}, ended());
        loop_.timeout(timeout_, {.after_ns = 1'000}, ended());
        loop_.next_tick(tick_, ended());
        loop_.event_listen(event_, listen_, ended());
        loop_.event_trigger(event_);
    }
    uint32_t round_count() const { return round_count_; }
    void stop() { is_stopped_ = true; }

  private:
    Callback<Result<uint32_t>> sized() { return bind<&EveryOperation::size_done>(this); }
    Callback<Result<Ok>> ended() { return bind<&EveryOperation::done>(this); }
    void size_done(Result<uint32_t> result) { done(result ? Result<Ok>(Ok{}) : result.error()); }
    void done(Result<Ok> result) {
        EXPECT_TRUE(result);
        if (--pending_count_ > 0) return;
        ++round_count_;
        if (!is_stopped_) start();
    }

    Loop& loop_;
    std::array<Fd, 2> pair_;
    Fd file_;
    Buffer in_{8}, out_{8};
    Event event_;
    Completion recv_, send_, write_, sync_, timeout_, tick_, listen_;
    uint32_t pending_count_ = 0;
    uint32_t round_count_ = 0;
    bool is_stopped_ = false;
};

using LoopAllocation = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopAllocation, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopAllocation, NoOperationAllocates) {
    support::TemporaryDirectory directory;
    const Fd file =
        static_cast<Fd>(::open(directory.file("data").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::array<Fd, 2> pair = make_socket_pair();
    EveryOperation operations(loop, pair, file);
    operations.start();
    ASSERT_TRUE(run_until([&] { return operations.round_count() >= 20; }));  // Tables grow.
    const uint32_t round_count_before = operations.round_count();
    const size_t allocation_count_before = allocation_count;
    ASSERT_TRUE(run_until([&] { return operations.round_count() >= round_count_before + 100; }));
    EXPECT_EQ(allocation_count - allocation_count_before, 0u);
    operations.stop();
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    for (const Fd fd : {pair[0], pair[1], file}) close(fd);
}

}  // namespace
}  // namespace blockd::io
