// What blockctl says on stderr, and the words for an Error.
#pragma once

#include <blockd/error.h>

#include <string>
#include <string_view>

#include "blockctl/exit_status.h"

namespace blockd::blockctl {

// "blockctl: TEXT" and a line end, on stderr.
void complain(std::string_view text);

// The buffers of the requests cannot be had: a complaint, and the status for it.
ExitStatus fail_without_memory();

// What an Error means to the user: "connection refused", "No space left on device".
std::string words_of(const Error& error);

}  // namespace blockd::blockctl
