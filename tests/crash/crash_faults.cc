// Every system call that blockd makes fails once, one after the other.
//
//     crash_faults faults [--calls A,B,...] [--n-max N] [--seed N] [--report FILE]
//
// For each call and each errno that it may plausibly have, the n-th one of each thread fails, for
// n = 1, 2, 3, ... until a run had no such call any more. A run is a start, a short load and a
// SIGTERM under strace, then a start without it. blockd must refuse the start with a message and an
// exit code, or serve, or answer errors, or hang up; it must not end by a signal, hang, spin, or
// lose what it acknowledged.
//
// Left out, as the system never lets them fail: futex, on errors of which the C library ends the
// program, and write to the eventfd that wakes the loop, whose counter cannot overflow. What fails
// of write is the log. io_uring_register is denied to the first ring alone, in another test.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "crash/arguments.h"
#include "crash/injection.h"
#include "crash/loaded_daemon.h"
#include "crash/report.h"

namespace blockd::crash {
namespace {

struct Call {
    const char* name;
    std::vector<const char*> errors;
};

const std::vector<Call>& calls() {
    static const std::vector<Call> all = {
        {"accept4", {"ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EINTR", "EPROTO"}},
        {"access", {"EACCES"}},
        {"bind", {"EADDRINUSE", "EACCES", "ENOMEM"}},
        {"chmod", {"EPERM", "EROFS"}},
        {"clone3", {"EAGAIN", "ENOMEM"}},
        {"close", {"EIO", "EINTR"}},
        {"epoll_create1", {"EMFILE", "ENOMEM"}},
        {"epoll_ctl", {"ENOMEM", "ENOSPC"}},
        {"epoll_pwait", {"EINTR"}},
        {"epoll_pwait2", {"EINTR", "ENOSYS"}},
        {"epoll_wait", {"EINTR"}},
        {"eventfd2", {"EMFILE", "ENFILE", "ENOMEM"}},
        {"faccessat2", {"EACCES"}},
        {"fallocate", {"ENOSPC", "EIO", "EINTR", "EOPNOTSUPP"}},
        {"fcntl", {"EINVAL", "EMFILE"}},
        {"fdatasync", {"EIO", "ENOSPC", "EDQUOT", "EINTR"}},
        {"flock", {"EWOULDBLOCK", "EINTR", "ENOLCK"}},
        {"fstatfs", {"EIO", "ENOSYS"}},
        {"ftruncate", {"EIO", "ENOSPC", "EINTR"}},
        {"getcwd", {"ENOENT"}},
        {"getpeername", {"ENOTCONN", "ENOBUFS"}},
        {"getsockname", {"ENOBUFS"}},
        {"io_uring_enter", {"EINTR", "EAGAIN", "EBUSY", "EPERM"}},
        {"io_uring_setup", {"ENOSYS", "EPERM", "EINVAL", "ENOMEM", "EMFILE"}},
        {"ioctl", {"ENOTTY"}},
        {"listen", {"EADDRINUSE"}},
        {"lseek", {"EINVAL", "EIO"}},
        {"madvise", {"ENOMEM"}},
        {"mmap", {"ENOMEM"}},
        {"mprotect", {"ENOMEM"}},
        {"munmap", {"ENOMEM"}},
        {"newfstatat", {"EIO", "EACCES", "ENOENT"}},
        {"openat", {"EMFILE", "ENFILE", "EACCES", "EINTR"}},
        {"prctl", {"EINVAL"}},
        {"pread64", {"EIO", "EINTR", "ENOMEM"}},
        {"prlimit64", {"EPERM"}},
        {"pwrite64", {"EIO", "ENOSPC", "EDQUOT", "EINTR"}},
        {"read", {"EIO", "EINTR", "EAGAIN"}},
        {"readlink", {"EINVAL"}},
        {"recvmsg", {"ECONNRESET", "EINTR", "EAGAIN", "ENOMEM"}},
        {"rt_sigtimedwait", {"EINTR"}},
        {"sendmsg", {"EPIPE", "ECONNRESET", "EINTR", "EAGAIN", "ENOBUFS"}},
        {"setsockopt", {"ENOBUFS", "ENOPROTOOPT"}},
        {"shutdown", {"ENOTCONN"}},
        {"socket", {"EMFILE", "ENFILE", "ENOBUFS", "EACCES"}},
        {"statx", {"EIO", "ENOSYS"}},
        {"unlink", {"EACCES", "EIO"}},
        {"write", {"EIO", "ENOSPC", "EINTR", "EAGAIN"}},
    };
    return all;
}

// What is no system call on io_uring is to fail as one.
std::string backend_of(const std::string& call) {
    return call.starts_with("io_uring_") ? "auto" : "kqueue";
}

constexpr int32_t reply_timeout_ms = 10'000;
constexpr int32_t end_timeout_ms = 10'000;
constexpr uint64_t requests_per_client = 40;
constexpr int reconnects_max = 10;
constexpr std::chrono::milliseconds idle_time{50};
constexpr uint64_t idle_cpu_ns_max = 30'000'000;

enum class Outcome : uint8_t { refused, served, troubled, gave_up, broke_the_loader, count };
constexpr std::array outcome_names = {"starts refused with a message", "served all",
                                      "served with errors or hang-ups", "gave up with a message",
                                      "ended by the dynamic loader"};

class Run {
  public:
    Run(const Injection& injection, uint64_t seed)
        : injection_(injection),
          seed_(seed),
          daemon_({.connection_count = 2,
                   .region_size = 512 * support::kibibyte,
                   .may_fail = true,
                   .reply_timeout_ms = reply_timeout_ms,
                   .request_size_max = 64 * support::kibibyte,
                   .limits = {"\"shutdown_grace\": \"2s\""},
                   .backend = backend_of(injection.call),
                   .disk_workers = 2}) {}

    Outcome run() {
        if (injection_.call == "write") injection_.path = daemon_.directory.file("log");
        daemon_.daemon.set_launcher(injecting_launcher(injection_, trace_path()));
        daemon_.start_only();
        const bool is_up =
            support::eventually([&] { return !daemon_.daemon.is_running() || is_ready(); });
        if (!is_up) {
            tell("it neither serves nor ends");
            daemon_.daemon.kill_now();
            return Outcome::count;
        }
        if (daemon_.daemon.is_running()) load();
        const Outcome outcome = end();
        judge_what_is_left();
        return outcome;
    }

    uint64_t injected() const { return injected_count(trace_path()); }
    const std::vector<std::string>& violations() const { return violations_; }
    std::string log() const { return daemon_.daemon.log_tail(); }

  private:
    std::string trace_path() const { return daemon_.directory.file("trace"); }

    // It says so, unless it is kept from writing: then it is, once it listens.
    bool is_ready() const {
        if (injection_.call == "write") {
            return support::WireClient::can_connect(daemon_.endpoint()) &&
                   support::WireClient::can_connect(daemon_.tcp_endpoint());
        }
        return daemon_.daemon.log().find("is ready") != std::string::npos;
    }

    void tell(const std::string& text) { violations_.push_back(text); }

    void load() {
        daemon_.add_clients(seed_);
        std::vector<std::thread> threads;
        std::array<bool, 2> is_done{};
        for (size_t index = 0; index < 2; ++index) {
            threads.emplace_back([this, index, &is_done] {
                LoadConnection& client = *daemon_.clients()[index];
                for (int attempt = 0; attempt < reconnects_max && !is_done[index]; ++attempt) {
                    is_done[index] =
                        client.try_attach() && client.run_requests(requests_per_client);
                    if (client.end() == StreamEnd::silent) return;
                    if (!is_done[index]) ++hang_ups_;
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        for (const auto& client : daemon_.clients()) {
            if (client->end() == StreamEnd::silent) tell("a client waited for ever");
        }
        was_served_ = is_done[0] && is_done[1];
        if (!was_served_ && daemon_.daemon.is_running() && violations_.empty()) {
            tell("it hangs up on everybody");
        }
        take_over(daemon_.take_violations());
    }

    void take_over(const std::vector<std::string>& violations) {
        violations_.insert(violations_.end(), violations.begin(), violations.end());
    }

    Outcome end() {
        const bool was_running = daemon_.daemon.is_running();
        if (was_running) expect_idle();
        daemon_.daemon.signal(SIGTERM);
        if (!support::eventually([&] { return !daemon_.daemon.is_running(); }, end_timeout_ms)) {
            tell("it does not end");
            daemon_.daemon.kill_now();
            return Outcome::count;
        }
        const int code = daemon_.daemon.wait_for_exit().value_or(-1000);
        const bool has_message = !daemon_.daemon.log().empty() || injection_.call == "write";
        if (code < 0 && breaks_the_loader(injection_, trace_path() + ".true")) {
            return Outcome::broke_the_loader;
        }
        if (code < 0) tell("it ended by signal " + std::to_string(-code));
        if (code > 0 && !has_message) tell("it ended without a message");
        if (!was_running) {
            if (code == 0) tell("it ended by itself, and says that all is well");
            return daemon_.counts().writes_acknowledged == 0 ? Outcome::refused : Outcome::gave_up;
        }
        if (code != 0 && code != 3) tell("it left with " + std::to_string(code));
        const bool is_clean = code == 0 && hang_ups_ == 0 && daemon_.counts().errors == 0;
        return is_clean ? Outcome::served : Outcome::troubled;
    }

    // Nobody wants anything from it.
    void expect_idle() {
        const uint64_t before_ns = daemon_.daemon.status().cpu_ns;
        std::this_thread::sleep_for(idle_time);  // The time that is measured.
        const uint64_t spent_ns = daemon_.daemon.status().cpu_ns - before_ns;
        if (daemon_.daemon.is_running() && spent_ns > idle_cpu_ns_max) {
            tell("it spins: " + std::to_string(spent_ns / 1'000'000) + " ms of CPU in 50 ms");
        }
    }

    void judge_what_is_left() {
        daemon_.daemon.set_launcher({});
        if (!daemon_.start()) return tell("it does not start again");
        daemon_.verify(seed_);
        take_over(daemon_.take_violations());
        daemon_.daemon.kill_now();
    }

    Injection injection_;
    const uint64_t seed_;
    LoadedDaemon daemon_;
    std::atomic<uint32_t> hang_ups_ = 0;
    bool was_served_ = false;
    std::vector<std::string> violations_;
};

class Sweep {
  public:
    Sweep(const Arguments& arguments, Report& report)
        : numbers_(arguments.seed()),
          n_max_(static_cast<uint32_t>(arguments.number("n-max", 200))),
          report_(report) {
        std::istringstream names(arguments.text("calls"));
        for (std::string name; std::getline(names, name, ',');) wanted_.insert(name);
    }

    void run() {
        for (const Call& call : calls()) {
            if (!wanted_.empty() && !wanted_.contains(call.name)) continue;
            ++call_count_;
            for (const char* const error : call.errors) sweep(call.name, error);
        }
        report_.add("system calls", call_count_);
        report_.add("pairs of call and errno", pair_count_);
        report_.add("runs with a failed call", run_count_);
        report_.add("calls failed", static_cast<double>(injected_count_));
        for (size_t index = 0; index < outcomes_.size(); ++index) {
            report_.add(outcome_names[index], outcomes_[index]);
        }
        report_.add("pairs cut off at n-max", cut_off_count_);
        if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) {
            report_.add_violation("a client failed, see above");
        }
    }

  private:
    void sweep(const std::string& call, const std::string& error) {
        ++pair_count_;
        uint32_t n = 1;
        for (; n <= n_max_; ++n) {
            Run run({.call = call, .error = error, .when = n}, numbers_());
            const Outcome outcome = run.run();
            const std::string name = call + " " + error + " n=" + std::to_string(n) + ": ";
            for (const std::string& text : run.violations()) report_.add_violation(name + text);
            if (!run.violations().empty()) std::cout << run.log() << std::endl;
            const uint64_t injected = run.injected();
            if (injected == 0) break;
            injected_count_ += injected;
            ++run_count_;
            if (outcome != Outcome::count) ++outcomes_[static_cast<size_t>(outcome)];
        }
        cut_off_count_ += n > n_max_ ? 1 : 0;
        std::cout << call << " " << error << ": " << n - 1 << " runs" << std::endl;
    }

    std::mt19937_64 numbers_;
    const uint32_t n_max_;
    std::set<std::string> wanted_;
    Report& report_;
    uint32_t call_count_ = 0;
    uint32_t pair_count_ = 0;
    uint32_t run_count_ = 0;
    uint64_t injected_count_ = 0;
    uint32_t cut_off_count_ = 0;
    std::array<uint32_t, static_cast<size_t>(Outcome::count)> outcomes_{};
};

}  // namespace
}  // namespace blockd::crash

int main(int count, char** words) {
    using namespace blockd::crash;
    const Arguments arguments(count, words, {"faults"}, {"calls", "n-max", "seed", "report"});
    const std::string reason = reason_not_to_inject();
    if (!reason.empty()) {
        std::cerr << reason << "\n";
        return 2;
    }
    Report report(arguments.harness(), arguments.repeatable(), arguments.seed());
    Sweep(arguments, report).run();
    return report.finish(arguments.text("report"));
}
