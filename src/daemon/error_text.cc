#include "daemon/error_text.h"

#include <blockd/assert.h>

#include <cstring>

namespace blockd::daemon {
namespace {

const char* phrase_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::canceled: return "it was cancelled";
        case ErrorCode::disk: return "the disk failed";
        case ErrorCode::no_space: return "no space is left";
        case ErrorCode::not_supported: return "the system does not know it";
        case ErrorCode::invalid: return "the arguments were refused";
        case ErrorCode::permission: return "permission denied";
        case ErrorCode::not_found: return "it does not exist";
        case ErrorCode::exists: return "it exists already";
        case ErrorCode::busy: return "another process owns it";
        case ErrorCode::address_in_use: return "another server listens there";
        case ErrorCode::connection_refused: return "nobody listens there";
        case ErrorCode::connection_reset: return "the peer is gone";
        case ErrorCode::timed_out: return "it took too long";
        case ErrorCode::unreachable: return "there is no way to it";
        case ErrorCode::too_many_files: return "too many files are open";
        case ErrorCode::no_memory: return "no memory is left";
        case ErrorCode::protocol: return "the peer broke the protocol";
        case ErrorCode::out_of_range: return "it lies past the end";
        case ErrorCode::too_large: return "it is too large";
        case ErrorCode::os: return "the system refused";
    }
    ASSERT(false);
    return "";
}

}  // namespace

std::string error_text(const Error& error) {
    std::string text = *error.during == '\0' ? "" : std::string(error.during) + ": ";
    text += phrase_of(error.code);
    if (error.os_errno != 0) text += std::string(" (") + std::strerror(error.os_errno) + ")";
    return text;
}

}  // namespace blockd::daemon
