#include "daemon/missing_resource.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include <unistd.h>

#include "daemon/exit_code.h"

namespace blockd::daemon {
namespace {

// Without memory: no stream, no string.
void print(const char* text) {
    const ssize_t ignored = write(STDERR_FILENO, text, std::strlen(text));
    (void)ignored;
}

[[noreturn]] void end(const char* what) {
    print("blockd: ");
    print(what);
    print("; see limits and io in the config, and the system's limits (ulimit -a)\n");
    _exit(exit_code::start_failed);
}

// No exception is caught elsewhere: so this runs where it was thrown, and nothing was unwound.
void end_or_abort() {
    const std::exception_ptr thrown = std::current_exception();
    if (thrown == nullptr) std::abort();
    try {
        std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
        end("out of memory");
    } catch (const std::system_error&) {  // Only std::thread throws it.
        end("the system gives no more threads");
    } catch (...) {
        std::abort();
    }
}

}  // namespace

void end_on_missing_resource() { std::set_terminate(end_or_abort); }

}  // namespace blockd::daemon
