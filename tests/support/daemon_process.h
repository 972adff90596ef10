// The real blockd, run as a program of its own.
//
// The environment variable BLOCKD names the program. A daemon that is still there at the end of a
// test is killed, by its process id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "support/process_status.h"
#include "support/wire_client.h"

namespace blockd::support {

class DaemonProcess {
  public:
    // stdout and stderr go to `log_path`.
    explicit DaemonProcess(std::string log_path) : log_path_(std::move(log_path)) {}
    DaemonProcess(const DaemonProcess&) = delete;
    DaemonProcess& operator=(const DaemonProcess&) = delete;
    ~DaemonProcess();

    // The program's path; empty, with a failure of the test, where BLOCKD is not set.
    static std::string program();

    // Programs to be started in its place, which end up being it: {"prlimit", "--nofile=32"}. Found
    // by PATH.
    void set_launcher(std::vector<std::string> words) { launcher_ = std::move(words); }

    // Starts it with these arguments; the program's own name is added.
    void start(const std::vector<std::string>& arguments);

    // Until it says that it is ready, and accepts connections there. A failure of the test when it
    // ends before, or takes too long; the failure shows its log.
    bool wait_until_ready(const Endpoint& endpoint);

    bool is_running();
    void signal(int number);
    void kill_now();  // SIGKILL, and waits for the end.

    // Its exit code; a negated signal number when one ended it; empty, with a failure of the test,
    // when it has not ended in time.
    std::optional<int> wait_for_exit(int32_t timeout_ms = 30'000);

    // SIGTERM, then the exit code.
    std::optional<int> terminate();

    pid_t process() const { return process_; }
    ProcessStatus status() const { return process_status(process_); }
    std::string log() const;
    std::string log_tail() const;  // The last lines of it.

  private:
    bool reap();  // Whether it has ended.
    bool has_said_ready() const;

    std::string log_path_;
    std::vector<std::string> launcher_;
    pid_t process_ = -1;
    std::optional<int> exit_code_;
    uint64_t log_size_at_start_ = 0;  // It is appended to.
};

// A port of the loopback interface that nobody uses now.
uint16_t free_tcp_port();

// Lets this process open as many files as the system allows it.
void raise_descriptor_limit();

// Calls `condition` every few milliseconds until it holds; false when it never did.
template <typename Condition>
bool eventually(Condition condition, int32_t timeout_ms = 20'000);

// A turn of eventually(): lets the others run. Returns false once the time is over.
class Patience {
  public:
    explicit Patience(int32_t timeout_ms);
    bool wait();

  private:
    int64_t deadline_ms_;
};

template <typename Condition>
bool eventually(Condition condition, int32_t timeout_ms) {
    Patience patience(timeout_ms);
    while (!condition()) {
        if (!patience.wait()) return condition();
    }
    return true;
}

}  // namespace blockd::support
