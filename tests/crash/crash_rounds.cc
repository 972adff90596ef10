// blockd under load, ended at a random moment, many times over; after each restart all that it
// acknowledged must be there.
//
//     crash_rounds kill|term [--rounds N] [--seed N] [--report FILE]
//
// kill: SIGKILL. In one of 16 rounds already while it starts.
// term: SIGTERM. It must leave with 0 within the grace time, the clients must see a clean end of
//       the stream, and the socket's path must be gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <random>

#include <time.h>

#include "crash/arguments.h"
#include "crash/loaded_daemon.h"
#include "crash/report.h"

namespace blockd::crash {
namespace {

constexpr uint64_t load_us_max = 60'000;
constexpr uint64_t start_us_max = 10'000;
constexpr double grace_ms = 10'000;  // The config's default.

double now_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

// The random moment.
void let_pass(uint64_t microseconds) {
    timespec pause = {.tv_sec = 0, .tv_nsec = static_cast<long>(microseconds * 1000)};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

class Rounds {
  public:
    Rounds(const Arguments& arguments, Report& report)
        : is_kill_(arguments.harness() == "kill"),
          round_count_(arguments.number("rounds", 100)),
          seed_(arguments.seed()),
          numbers_(seed_),
          report_(report) {}

    void run() {
        double restart_ms = 0;
        for (round_ = 0; round_ < round_count_ && report_.violation_count() < 10; ++round_) {
            if (is_kill_ && numbers_() % 16 == 0) kill_the_start();
            const double start_ms = now_ms();
            if (!serve()) break;
            restart_ms = std::max(restart_ms, now_ms() - start_ms);
            load_and_end();
        }
        if (serve()) end();
        add_figures(restart_ms);
    }

  private:
    // Starts it, and judges what the last daemon has left.
    bool serve() {
        const bool is_up = daemon_.start();
        if (is_up) daemon_.verify(numbers_());
        tell(daemon_.take_violations());
        if (!is_up) tell({"it does not start again"});
        return is_up;
    }

    void kill_the_start() {
        daemon_.start_only();
        let_pass(numbers_() % start_us_max);
        daemon_.daemon.kill_now();
        ++start_kills_;
    }

    void load_and_end() {
        daemon_.connect(numbers_());
        daemon_.start_load();
        let_pass(1 + numbers_() % load_us_max);
        if (is_kill_) {
            daemon_.daemon.kill_now();
            daemon_.wait_for_load();
        } else {
            end();
        }
        tell(daemon_.take_violations());
    }

    // SIGTERM, whether there is load or not.
    void end() {
        const double start_ms = now_ms();
        const auto code = daemon_.daemon.terminate();
        const double took_ms = now_ms() - start_ms;
        end_ms_max_ = std::max(end_ms_max_, took_ms);
        daemon_.wait_for_load();
        if (code != 0) tell({"it left with " + std::to_string(code.value_or(-1000))});
        if (took_ms > grace_ms) tell({"it took " + std::to_string(took_ms) + " ms to leave"});
        for (const auto& client : daemon_.clients()) {
            if (client->end() == StreamEnd::clean) {
                ++clean_ends_;
            } else {
                tell({"a client saw no clean end of the stream"});
            }
        }
        if (std::filesystem::exists(daemon_.endpoint().unix_path)) {
            tell({"the socket's path is still there"});
        }
    }

    void tell(std::vector<std::string> violations) {
        for (std::string& text : violations) text = "round " + std::to_string(round_) + ": " + text;
        report_.add_violations(violations);
    }

    void add_figures(double restart_ms) {
        const LoadCounts& counts = daemon_.counts();
        const auto add = [this](const char* name, uint64_t value) {
            report_.add(name, static_cast<double>(value));
        };
        add("rounds", round_);
        if (is_kill_) add("rounds also killed at the start", start_kills_);
        add("writes acknowledged", counts.writes_acknowledged);
        add("writes unanswered at the end", counts.writes_unanswered);
        add("flushes answered", counts.flushes);
        add("reads answered", counts.reads);
        add("sectors judged while it ran", counts.sectors_read);
        add("sectors judged after restarts", counts.sectors_found);
        if (!is_kill_) add("clean ends of a stream", clean_ends_);
        if (!is_kill_) report_.add("longest end, ms", end_ms_max_);
        report_.add("longest restart and check, ms", restart_ms);
        if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) {
            report_.add_violation("a client failed, see above");
        }
        if (report_.violation_count() != 0) std::cout << daemon_.daemon.log_tail() << std::endl;
        if (counts.writes_acknowledged < round_) report_.add_violation("there was no load");
    }

    const bool is_kill_;
    const uint64_t round_count_;
    const uint64_t seed_;
    std::mt19937_64 numbers_;
    Report& report_;
    LoadedDaemon daemon_{{}};
    uint64_t round_ = 0;
    uint64_t start_kills_ = 0;
    uint64_t clean_ends_ = 0;
    double end_ms_max_ = 0;
};

}  // namespace
}  // namespace blockd::crash

int main(int count, char** words) {
    using namespace blockd::crash;
    const Arguments arguments(count, words, {"kill", "term"}, {"rounds", "seed", "report"});
    Report report(arguments.harness(), arguments.repeatable(), arguments.seed());
    Rounds(arguments, report).run();
    return report.finish(arguments.text("report"));
}
