#include "io/os_error.h"

#include <cerrno>
#include <system_error>

namespace blockd::io {
namespace {

ErrorCode code_of_file_errno(int32_t os_errno) {
    switch (os_errno) {
        case EIO: return ErrorCode::disk;
        case ENOSPC:
        case EDQUOT:
        case EFBIG: return ErrorCode::no_space;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorCode::permission;
        case ENOENT:
        case ENOTDIR: return ErrorCode::not_found;
        case EEXIST: return ErrorCode::exists;
        case EBUSY: return ErrorCode::busy;
        default: return ErrorCode::os;
    }
}

ErrorCode code_of_socket_errno(int32_t os_errno) {
    switch (os_errno) {
        case EADDRINUSE: return ErrorCode::address_in_use;
        case ECONNREFUSED: return ErrorCode::connection_refused;
        case ECONNRESET:
        case EPIPE:
        case ECONNABORTED:
        case ENOTCONN: return ErrorCode::connection_reset;
        case ETIMEDOUT: return ErrorCode::timed_out;
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EHOSTDOWN:
        case ENETDOWN:
        case EADDRNOTAVAIL: return ErrorCode::unreachable;
        default: return ErrorCode::os;
    }
}

ErrorCode code_of_any_errno(int32_t os_errno) {
    // EOPNOTSUPP and ENOTSUP are one number on Linux and two on macOS: no switch holds both.
    if (os_errno == EOPNOTSUPP || os_errno == ENOTSUP) {
        return ErrorCode::not_supported;
    }
    switch (os_errno) {
        case ECANCELED: return ErrorCode::canceled;
        case ENOSYS:
        case ENOLCK:  // flock(2), on a network file system without its lock server.
        case ENOTTY: return ErrorCode::not_supported;
        case EINVAL: return ErrorCode::invalid;
        case EMFILE:
        case ENFILE: return ErrorCode::too_many_files;
        case ENOMEM:
        case ENOBUFS: return ErrorCode::no_memory;
        default: return ErrorCode::os;
    }
}

}  // namespace

Error error_from_errno(int32_t os_errno, const char* during) {
    for (const auto code_of : {code_of_file_errno, code_of_socket_errno, code_of_any_errno}) {
        const ErrorCode code = code_of(os_errno);
        if (code != ErrorCode::os) {
            return {code, os_errno, during};
        }
    }
    return {ErrorCode::os, os_errno, during};
}

std::string os_error_text(int32_t os_errno) { return std::generic_category().message(os_errno); }

}  // namespace blockd::io
