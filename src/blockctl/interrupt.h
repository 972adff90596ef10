// Ctrl-C and kill: blockctl ends at once, with a message, and 128 + the signal's number. A signal
// that was ignored when it was started (nohup) stays so.
//
// It ends from inside the handler, with calls that are safe there: it owns nothing that outlives
// it except a file that was being copied to, and a server takes the end of a connection as a
// clean one.
#pragma once

namespace blockd::blockctl {

void end_on_interrupt();

}  // namespace blockd::blockctl
