#include "blockctl/command.h"

namespace blockd::blockctl {

ExitStatus run_command(const Invocation& invocation) {
    switch (invocation.command) {
        case Command::list: return run_list(invocation);
        case Command::info: return run_info(invocation);
        case Command::read: return run_read(invocation);
        case Command::write: return run_write(invocation);
        case Command::zero: return run_zero(invocation);
        case Command::trim: return run_trim(invocation);
        case Command::flush: return run_flush(invocation);
        case Command::map: return run_map(invocation);
        case Command::copy: return run_copy(invocation);
        case Command::verify: return run_verify(invocation);
    }
    return ExitStatus::usage;
}

}  // namespace blockd::blockctl
