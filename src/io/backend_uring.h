// The completion backend on io_uring(7), Linux 6.1 and newer: sockets, reads, writes and syncs are
// requests to the kernel, which performs them and answers.
//
// - One enter hands over what a turn has gathered, and sleeps for the answers: some tenths of a
//   system call a request. A batch of disk requests does not wait for the turn's end.
// - The kernel waits for sockets by itself, also for those that do not block (Linux 5.15).
// - What the kernel would give to a thread of its own anyway, or has no request for, is done by
//   disk workers: syncing, opening, punching, zeroing, extents, closing a file. So is, anew, a read
//   or write that moved less than it was told to, and each that FileTransfers gives them.
// - The ring is first in, first out: whoever is told that a request has ended may use its cookie
//   again, since a request to cancel the old one was taken before.
#pragma once

#include "io/disk_workers.h"
#include "io/fd_table.h"
#include "io/sleep_gate.h"
#include "io/uring.h"

#include <blockd/io/backend.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sys/socket.h>

namespace blockd::io {

class UringBackend final : public Backend {
  public:
    static constexpr uint32_t requests_in_flight_max = 128;  // Of disks.

    // The ring is open.
    UringBackend(std::unique_ptr<Uring> ring, const BackendOptions& options);

    const char* name() const override { return "io_uring"; }
    uint64_t now_ns() override;
    void submit(CompletionList& submitted, CompletionList& completed) override;
    void poll(CompletionList& completed, uint64_t wait_ns) override;
    void expect_more() override { expects_more_ = true; }
    void cancel(Completion& completion, CompletionList& completed) override;
    void wake() override;
    uint32_t disk_depth() const override;
    Result<Fd> open_socket(AddressFamily family) override;
    Result<Fd> listen(const ListenOptions& options) override;
    void shutdown(Fd socket, ShutdownKind kind) override;
    Result<Address> local_address(Fd socket) override;
    Result<Address> peer_address(Fd socket) override;

    uint32_t worker_count() const { return workers_.thread_count(); }

  private:
    struct Slot {
        bool is_file = false;  // It has seen disk operations.
    };

    void enable();
    void begin(Completion& completion, CompletionList& completed);
    void begin_close(Completion& completion, CompletionList& completed);
    void request(Completion& completion);
    void request_message(io_uring_sqe& entry, const Operation& operation);
    void request_again(Completion& completion, CompletionList& completed);
    void reap(CompletionList& completed);
    void end(Completion& completion, int64_t result, CompletionList& completed);
    void end_accept(Completion& completion, int64_t result, CompletionList& completed);
    void end_connect(Completion& completion, int64_t result, CompletionList& completed);
    void end_transfer(Completion& completion, int64_t result, CompletionList& completed);

    const FileTransfers file_transfers_;
    std::unique_ptr<Uring> ring_;
    std::array<msghdr, Uring::entries> messages_{};  // One for each of the ring's places.
    FdTable<Slot> slots_;
    CompletionList worker_operations_;  // Of this call: the workers get them in one batch.
    uint32_t disk_requests_waiting_ = 0;
    bool is_enabled_ = false;
    bool expects_more_ = false;  // The next sleep begins with Uring::gather().

    SleepGate sleep_gate_;

    DiskWorkers workers_;  // Last: its threads ring the doorbell until they are gone.
};

// Error{not_supported, permission, invalid} where the kernel has no io_uring, denies it, or is too
// old; see Uring::open().
Result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options);

}  // namespace blockd::io
