// Linux: io_uring where it works, else kqueue, emulated.
#include "io/backend_uring.h"

#include <blockd/io/backend.h>

#include <utility>

namespace blockd::io {
namespace {

// Not there, or not allowed. What the system has no room for is no reason to be content with less:
// that would hide it.
bool is_passed_over(const Error& error) {
    switch (error.code) {
        case ErrorCode::not_supported:
        case ErrorCode::permission:
        case ErrorCode::invalid: return true;
        default: return false;
    }
}

Result<MadeBackend> made(Result<std::unique_ptr<Backend>> backend,
                         std::optional<Error> passed_over = std::nullopt) {
    if (!backend) return backend.error();
    return MadeBackend{.backend = std::move(*backend), .passed_over = passed_over};
}

}  // namespace

Result<MadeBackend> make_backend(BackendKind kind, const BackendOptions& options) {
    if (kind == BackendKind::kqueue) return made(make_kqueue_backend(options));
    Result<std::unique_ptr<Backend>> uring = make_uring_backend(options);
    if (kind == BackendKind::io_uring || uring || !is_passed_over(uring.error())) {
        return made(std::move(uring));
    }
    return made(make_kqueue_backend(options), uring.error());
}

}  // namespace blockd::io
