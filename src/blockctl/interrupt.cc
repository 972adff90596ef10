#include "blockctl/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

namespace blockd::blockctl {
namespace {

// The line end comes first: the terminal's cursor may stand behind "^C" or a progress bar.
constexpr std::string_view text = "\nblockctl: interrupted\n";

void interrupted(int signal_number) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    _exit(128 + signal_number);
}

}  // namespace

void end_on_interrupt() {
    struct sigaction action {};
    action.sa_handler = interrupted;
    sigemptyset(&action.sa_mask);
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction inherited {};
        sigaction(signal_number, nullptr, &inherited);
        if (inherited.sa_handler != SIG_IGN) sigaction(signal_number, &action, nullptr);
    }
}

}  // namespace blockd::blockctl
