// The commands: each takes what the user asked for, prints its result on stdout and complaints on
// stderr, and returns the exit status.
#pragma once

#include "blockctl/exit_status.h"
#include "blockctl/invocation.h"

namespace blockd::blockctl {

ExitStatus run_command(const Invocation& invocation);

ExitStatus run_list(const Invocation& invocation);
ExitStatus run_info(const Invocation& invocation);
ExitStatus run_read(const Invocation& invocation);
ExitStatus run_write(const Invocation& invocation);
ExitStatus run_zero(const Invocation& invocation);
ExitStatus run_trim(const Invocation& invocation);
ExitStatus run_flush(const Invocation& invocation);
ExitStatus run_map(const Invocation& invocation);
ExitStatus run_copy(const Invocation& invocation);
ExitStatus run_verify(const Invocation& invocation);

}  // namespace blockd::blockctl
