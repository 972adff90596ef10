// What the loop asks of a system: kqueue, io_uring, or a simulated world in tests. All that is not
// deterministic (time, completion order, sizes, errors) enters through this interface.
//
// It is called per batch, not per byte. A backend completes an operation by setting its `result`
// and pushing it on `completed`; it never runs a callback. Except for wake(), everything runs on
// the loop's thread.
#pragma once

#include <blockd/error.h>
#include <blockd/io/completion.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace blockd::io {

enum class ShutdownKind : uint8_t { receive, send, both };

struct ListenOptions {
    Address address;
    int32_t backlog = 128;      // macOS caps it there (SOMAXCONN).
    uint32_t unix_mode = 0660;  // Permissions of a unix socket's path.
};

class Backend {
  public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;

    virtual const char* name() const = 0;

    // Nanoseconds of a clock that never goes back.
    virtual uint64_t now_ns() = 0;

    // Takes every operation of `submitted`; those that end at once go to `completed`.
    virtual void submit(CompletionList& submitted, CompletionList& completed) = 0;

    // Collects what has ended since, sleeping up to `wait_ns` if nothing has; 0 never sleeps.
    // May return early and empty.
    virtual void poll(CompletionList& completed, uint64_t wait_ns) = 0;

    // Asks an operation that submit() took to end. It completes as ever: with ECANCELED, or with
    // what it achieved when the request came too late.
    virtual void cancel(Completion& completion, CompletionList& completed) = 0;

    // Ends a sleep of poll(), now or the next one. Any thread.
    virtual void wake() = 0;

    // The next sleep of poll() may go on for some microseconds after the first event: more is about
    // to come, and is better taken in one go. A hint, of which a backend may make nothing.
    virtual void expect_more() {}

    // How many disk operations the system can usefully have in flight.
    virtual uint32_t disk_depth() const = 0;

    // A non-blocking, close-on-exec socket that never raises SIGPIPE.
    virtual Result<Fd> open_socket(AddressFamily family) = 0;

    // Opens, binds and listens. A unix path left behind by a dead server is replaced; one that a
    // live server answers on is Error{address_in_use}.
    virtual Result<Fd> listen(const ListenOptions& options) = 0;

    // Ends the connection, so that pending operations complete. Never fails: a peer that is gone
    // (ENOTCONN on macOS) is what was wanted.
    virtual void shutdown(Fd socket, ShutdownKind kind) = 0;

    // The near and the far end of a socket.
    virtual Result<Address> local_address(Fd socket) = 0;
    virtual Result<Address> peer_address(Fd socket) = 0;
};

// Who reads and writes files where the kernel could do it by itself, on io_uring. On kqueue it is
// always the disk workers.
enum class FileTransfers : uint8_t {
    in_kernel,        // For direct IO: the disk moves the bytes.
    on_disk_workers,  // For the page cache: the kernel would copy from it on the loop's thread.
};

struct BackendOptions {
    uint32_t disk_workers = 16;  // 1 to disk_workers_max. 4 give half of 16's speed at depth 32.
    FileTransfers file_transfers = FileTransfers::in_kernel;
};
inline constexpr uint32_t disk_workers_max = 256;

enum class BackendKind : uint8_t {
    automatic,  // io_uring where it is there and allowed, else kqueue.
    kqueue,     // Natively or (Linux) on the project's own emulation.
    io_uring,   // Linux 6.1 and newer. Containers often deny it.
};

struct MadeBackend {
    std::unique_ptr<Backend> backend;
    std::optional<Error> passed_over;  // Why an automatic choice is not the best of the system.
};

// An explicit choice is strict: Error{not_supported, permission, invalid, ...} where the system has
// no such backend. Error{too_many_files, no_memory, ...} when it has no room: then an automatic
// choice fails as well.
Result<MadeBackend> make_backend(BackendKind kind, const BackendOptions& options);

Result<std::unique_ptr<Backend>> make_kqueue_backend(const BackendOptions& options);

}  // namespace blockd::io
