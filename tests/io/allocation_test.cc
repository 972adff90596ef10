// Rule 2: no operation allocates. A program of its own: it replaces operator new.
#include "io/loop_conformance.h"

#include "support/allocation_count.h"
#include "support/temporary_directory.h"

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace blockd::io {
namespace {

// Every kind of operation in turn, again and again; counts the rounds.
class EveryOperation {
  public:
    struct Surroundings {
        std::array<Fd, 2> pair;
        Fd file;
        const char* path;  // Of the file.
        Fd listener;
        const Address* address;  // Of the listener.
    };

    EveryOperation(Loop& loop, const Surroundings& surroundings)
        : loop_(loop), surroundings_(surroundings) {
        loop_.open_event(event_);
    }
    ~EveryOperation() { loop_.close_event(event_); }

    void start() {
        const auto [pair, file, path, listener, address] = surroundings_;
        pending_count_ = 14;
        loop_.recv(recv_, {.socket = pair[0], .vectors = in_.vectors()}, sized());
        loop_.send(send_, {.socket = pair[1], .vectors = out_.vectors()}, sized());
        loop_.write(write_, {.file = file, .buffer = out_.bytes(), .offset = 0}, sized());
        loop_.read(read_, {.file = file, .buffer = read_bytes_.bytes(), .offset = 0}, sized());
        loop_.extents(find_, {.file = file, .offset = 0, .size = 8, .extents = extents_}, sized());
        loop_.punch_hole(punch_, {.file = file, .offset = 0, .size = 4096}, tried());
        loop_.zero_range(zero_, {.file = file, .offset = 0, .size = 4096}, tried());
        loop_.sync(sync_, {.file = file}, ended());
        loop_.open(open_, {.path = path, .flags = O_RDONLY, .mode = 0}, opened());
        client_ = *loop_.open_socket(AddressFamily::unix_path);
        loop_.accept(accept_, {.listener = listener}, opened());
        loop_.connect(connect_, {.socket = client_, .address = address}, connected());
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
    Callback<Result<Ok>> tried() { return bind<&EveryOperation::try_done>(this); }
    Callback<Result<Fd>> opened() { return bind<&EveryOperation::open_done>(this); }
    Callback<Result<Ok>> connected() { return bind<&EveryOperation::connect_done>(this); }
    void try_done(Result<Ok>) { done(Ok{}); }  // Not every file system can.
    void connect_done(Result<Ok> result) {
        EXPECT_TRUE(result);
        open_done(client_);
    }
    void open_done(Result<Fd> fd) {
        ASSERT_TRUE(fd);
        Completion& closing = *std::find_if(closes_.begin(), closes_.end(),
                                            [](const Completion& one) { return one.is_idle(); });
        loop_.close(closing, {.fd = *fd}, ended());
    }
    void size_done(Result<uint32_t> result) { done(result ? Result<Ok>(Ok{}) : result.error()); }
    void done(Result<Ok> result) {
        EXPECT_TRUE(result);
        if (--pending_count_ > 0) return;
        ++round_count_;
        if (!is_stopped_) start();
    }

    Loop& loop_;
    const Surroundings surroundings_;
    Fd client_ = Fd::none;
    Buffer in_{8}, out_{8}, read_bytes_{8};
    std::array<Extent, 2> extents_{};
    Event event_;
    Completion recv_, send_, write_, read_, find_, punch_, zero_, sync_, open_, accept_, connect_;
    Completion timeout_, tick_, listen_;
    std::array<Completion, 3> closes_;
    uint32_t pending_count_ = 0;
    uint32_t round_count_ = 0;
    bool is_stopped_ = false;
};

using LoopAllocation = LoopConformance;
INSTANTIATE_TEST_SUITE_P(Backends, LoopAllocation, testing::ValuesIn(backend_choices()),
                         backend_choice_name);

TEST_P(LoopAllocation, NoOperationAllocates) {
    support::TemporaryDirectory directory;
    const std::string path = directory.file("data");
    support::write_file(path, support::pattern(8192, 1));
    const Fd file = static_cast<Fd>(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    const std::array<Fd, 2> pair = make_socket_pair();
    const Address address = *Address::unix_path(directory.file("socket"));
    const Fd listener = *loop.listen({.address = address});
    EveryOperation operations(loop, {.pair = pair,
                                     .file = file,
                                     .path = path.c_str(),
                                     .listener = listener,
                                     .address = &address});
    operations.start();
    ASSERT_TRUE(run_until([&] { return operations.round_count() >= 20; }));  // Tables grow.
    const uint32_t round_count_before = operations.round_count();
    const uint64_t count_before = support::allocation_count();
    ASSERT_TRUE(run_until([&] { return operations.round_count() >= round_count_before + 100; }));
    EXPECT_EQ(support::allocation_count(), count_before);
    operations.stop();
    ASSERT_TRUE(run_until([&] { return loop.in_flight_count() == 0; }));
    for (const Fd fd : {pair[0], pair[1], file, listener}) close(fd);
}

}  // namespace
}  // namespace blockd::io
