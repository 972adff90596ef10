// The completion backend on kqueue(2): sockets by readiness, files by disk workers.
//
// - A receive waits for readiness first, unless the last one on its fd filled its buffers; a send
//   is tried first. What waits is an entry in the change list of the one kevent() call that also
//   waits for events.
// - Events are one-shot, and carry (generation, fd): an event of an fd that was closed since finds
//   another generation, and one that was cancelled finds nobody waiting. Neither does harm.
// - Readiness is only a hint: the system call is made again, and waits again when it would block.
#pragma once

#include "io/disk_workers.h"
#include "io/fd_table.h"
#include "io/kernel_queue.h"
#include "io/sleep_gate.h"

#include <blockd/io/backend.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace blockd::io {

class KqueueBackend final : public Backend {
  public:
    // The queue has its doorbell.
    KqueueBackend(std::unique_ptr<KernelQueue> queue, const BackendOptions& options);

    const char* name() const override { return "kqueue"; }
    uint64_t now_ns() override;
    void submit(CompletionList& submitted, CompletionList& completed) override;
    void poll(CompletionList& completed, uint64_t wait_ns) override;
    void cancel(Completion& completion, CompletionList& completed) override;
    void wake() override;
    uint32_t disk_depth() const override { return workers_.thread_count(); }
    Result<Fd> open_socket(AddressFamily family) override;
    Result<Fd> listen(const ListenOptions& options) override;
    void shutdown(Fd socket, ShutdownKind kind) override;
    Result<Address> local_address(Fd socket) override;
    Result<Address> peer_address(Fd socket) override;

  private:
    // An fd as the kernel queue knows it.
    struct Slot {
        uint32_t generation = 0;  // Counts the files that this number has stood for.
        Completion* reader = nullptr;
        Completion* writer = nullptr;
        bool is_read_likely = false;  // The last receive or accept did not exhaust its socket.
        bool is_file = false;         // It has seen disk operations.
    };

    // As many events as changes: each change that fails has room to say so.
    static constexpr size_t batch_size_max = 256;

    void begin(Completion& completion, CompletionList& completed);
    void begin_disk_operation(Completion& completion);
    void begin_close(Completion& completion, CompletionList& completed);
    void forget_changes(Fd fd);
    void attempt(Completion& completion, CompletionList& completed);
    void wait_for_readiness(Completion& completion, CompletionList& completed);
    void push_change(const Operation& operation, CompletionList& completed);
    void exchange(CompletionList& completed, uint64_t wait_ns);
    void take_event(const struct kevent& event, CompletionList& completed);
    void end_connect(Completion& completion, CompletionList& completed);

    std::unique_ptr<KernelQueue> queue_;
    std::array<struct kevent, batch_size_max> changes_;
    std::array<struct kevent, batch_size_max> events_;
    size_t change_count_ = 0;
    FdTable<Slot> slots_;
    CompletionList disk_operations_;  // Of this submit(): the workers get them in one batch.

    SleepGate sleep_gate_;

    DiskWorkers workers_;  // Last: its threads use the queue until they are gone.
};

}  // namespace blockd::io
