// Results on stdout and bytes to a descriptor. A result that cannot be written is a failure: a
// script must not take half an answer for a whole one.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "blockctl/exit_status.h"

namespace blockd::blockctl {

// Writes all of it; false leaves errno.
bool write_all(int fd, std::span<const std::byte> bytes);

// `done`, or a complaint and `file`.
ExitStatus print(std::string_view text);

}  // namespace blockd::blockctl
