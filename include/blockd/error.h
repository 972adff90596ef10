// Operating errors: what disks, peers and operators do to us. Our own bugs are ASSERTs instead.
//
// Only the IO layer looks at errno; everybody else decides by ErrorCode.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>

namespace blockd {

enum class ErrorCode : uint16_t {
    canceled,            // cancel() won the race against the operation.
    disk,                // The disk failed (EIO), or a file ended before the bytes asked for.
    no_space,            // ENOSPC, EDQUOT, EFBIG.
    not_supported,       // The file system or kernel does not know the operation.
    invalid,             // EINVAL: the kernel, or a check of ours, refuses the arguments.
    permission,          // EACCES, EPERM, EROFS.
    not_found,           // ENOENT, ENOTDIR.
    exists,              // EEXIST.
    busy,                // Another process holds the lock.
    address_in_use,      // A live server listens there.
    connection_refused,  // Nobody listens there.
    connection_reset,    // The peer is gone: ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN.
    timed_out,           // ETIMEDOUT, or a deadline of ours.
    unreachable,         // No route to the peer, or its name is unknown.
    too_many_files,      // EMFILE, ENFILE.
    no_memory,           // ENOMEM, ENOBUFS.
    protocol,            // The peer broke the NBD protocol: close the connection.
    out_of_range,        // offset + size is past the end of the device.
    too_large,           // Above a named bound.
    os,                  // Any other errno; `os_errno` says which.
};

struct Error {
    ErrorCode code;
    int32_t os_errno = 0;     // 0 when no system call was involved.
    const char* during = "";  // String literal naming the step: "read superblock".
};
static_assert(sizeof(Error) == 16, "small enough to ride in every completion");

// A value, or the reason there is none. Ignoring one does not compile; misreading one terminates.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(Error error) : value_(error) {}

    explicit operator bool() const { return std::holds_alternative<T>(value_); }

    T& operator*() { return std::get<T>(value_); }
    const T& operator*() const { return std::get<T>(value_); }
    T* operator->() { return &std::get<T>(value_); }
    const T* operator->() const { return &std::get<T>(value_); }
    Error error() const { return std::get<Error>(value_); }

  private:
    std::variant<T, Error> value_;
};

using Ok = std::monostate;  // Result<Ok>: it worked, and there is nothing more to say.

}  // namespace blockd
