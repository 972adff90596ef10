// What blockctl's exit status says, to people and to scripts. docs/blockctl.1 has the same table.
#pragma once

namespace blockd::blockctl {

enum class ExitStatus : int {
    done = 0,
    failed = 1,         // verify found a difference, or the export cannot do what was asked.
    usage = 2,          // The command line makes no sense; nothing was contacted.
    server = 3,         // A server is not there, refuses, answers an error, or hangs up.
    file = 4,           // A local file cannot be opened, read or written.
    interrupted = 130,  // SIGINT; SIGTERM gives 143.
};

}  // namespace blockd::blockctl
