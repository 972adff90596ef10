#include "nbd/wire_error.h"

#include <blockd/assert.h>

namespace blockd::nbd {

ErrorCode error_code_of(WireError error) {
    ASSERT(error != WireError::none);
    switch (error) {
        case WireError::not_permitted: return ErrorCode::permission;
        case WireError::io: return ErrorCode::disk;
        case WireError::no_memory: return ErrorCode::no_memory;
        case WireError::no_space: return ErrorCode::no_space;
        case WireError::overflow: return ErrorCode::too_large;
        case WireError::not_supported: return ErrorCode::not_supported;
        case WireError::shutting_down:
            // The server is about to go: for whoever retries, the connection counts as gone.
            return ErrorCode::connection_reset;
        case WireError::none:
        case WireError::invalid: break;
    }
    return ErrorCode::invalid;
}

const char* words_of(WireError error) {
    switch (error) {
        case WireError::none: return "success";
        case WireError::not_permitted: return "not permitted";
        case WireError::io: return "input/output error";
        case WireError::no_memory: return "out of memory";
        case WireError::invalid: return "invalid request";
        case WireError::no_space: return "no space left";
        case WireError::overflow: return "too much in one request";
        case WireError::not_supported: return "not supported";
        case WireError::shutting_down: return "the server is shutting down";
    }
    return "an error that the protocol does not know";
}

}  // namespace blockd::nbd
