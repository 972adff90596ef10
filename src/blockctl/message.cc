#include "blockctl/message.h"

#include <cstdio>
#include <cstring>

namespace blockd::blockctl {
namespace {

const char* words_of_code(ErrorCode code) {
    switch (code) {
        case ErrorCode::canceled: return "canceled";
        case ErrorCode::disk: return "input/output error";
        case ErrorCode::no_space: return "no space left";
        case ErrorCode::not_supported: return "not supported";
        case ErrorCode::invalid: return "invalid request";
        case ErrorCode::permission: return "not permitted";
        case ErrorCode::not_found: return "not found";
        case ErrorCode::exists: return "exists already";
        case ErrorCode::busy: return "in use by another process";
        case ErrorCode::address_in_use: return "address in use";
        case ErrorCode::connection_refused: return "connection refused: nobody listens there";
        case ErrorCode::connection_reset: return "the connection broke";
        case ErrorCode::timed_out: return "timed out";
        case ErrorCode::unreachable: return "unreachable, or an unknown host name";
        case ErrorCode::too_many_files: return "too many open files";
        case ErrorCode::no_memory: return "out of memory";
        case ErrorCode::protocol: return "the server broke the NBD protocol";
        case ErrorCode::out_of_range: return "past the end";
        case ErrorCode::too_large: return "too large";
        case ErrorCode::os: return "system error";
    }
    return "unknown error";
}

}  // namespace

void complain(std::string_view text) {
    std::fprintf(stderr, "blockctl: %.*s\n", int(text.size()), text.data());
}

ExitStatus fail_without_memory() {
    complain("there is no memory for so many requests of that size");
    return ExitStatus::failed;
}

std::string words_of(const Error& error) {
    const std::string words =
        error.os_errno != 0 ? std::strerror(error.os_errno) : words_of_code(error.code);
    const std::string during = error.during;
    return during.empty() ? words : words + " (" + during + ")";
}

}  // namespace blockd::blockctl
