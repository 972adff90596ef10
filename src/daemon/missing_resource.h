// What happens when the system has no memory or no thread left for the standard library.
#pragma once

namespace blockd::daemon {

// From now on that ends the program with a message on stderr and exit_code::start_failed, not by
// abort(). Nothing acknowledged is lost by it, as with kill -9. For main(), before anything else.
void end_on_missing_resource();

}  // namespace blockd::daemon
