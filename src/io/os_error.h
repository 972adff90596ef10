// Turns an errno into an Error: the only place that judges errno for the layers above.
#pragma once

#include <blockd/error.h>

#include <cstdint>
#include <string>

namespace blockd::io {

// `during` is a string literal that names the step.
Error error_from_errno(int32_t os_errno, const char* during);

// "No space left on device": the system's own words, from any thread.
std::string os_error_text(int32_t os_errno);

}  // namespace blockd::io
