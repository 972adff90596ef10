// macOS and FreeBSD have kqueue alone.
#include <blockd/io/backend.h>

#include <utility>

namespace blockd::io {

Result<MadeBackend> make_backend(BackendKind kind, const BackendOptions& options) {
    if (kind == BackendKind::io_uring) {
        return Error{.code = ErrorCode::not_supported, .during = "use io_uring"};
    }
    Result<std::unique_ptr<Backend>> kqueue = make_kqueue_backend(options);
    if (!kqueue) return kqueue.error();
    return MadeBackend{.backend = std::move(*kqueue), .passed_over = std::nullopt};
}

}  // namespace blockd::io
