#include "daemon/start_watch.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "daemon/exit_code.h"
#include "daemon/signal_watch.h"
#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

using std::chrono::milliseconds;

class SilentLog final : public server::Log {
  public:
    using server::Log::write;
    void write(server::LogLevel, std::string_view, std::span<const server::LogField>) override {}
};

constexpr int stopped_in_order = 42;

// A start in a process of its own, whose exit code says how it ended.
class StartWatchTest : public ::testing::Test {
  protected:
    // Runs `start` there, and sends it the signal once it says that it stands.
    template <typename Start>
    int exit_code_after(int signal_number, Start start) {
        const pid_t process = fork();
        if (process == 0) {
            take_over_signals();
            start();
            _exit(stopped_in_order);
        }
        EXPECT_TRUE(support::eventually([&] { return std::filesystem::exists(standing()); }));
        kill(process, signal_number);
        int status = 0;
        EXPECT_TRUE(support::eventually([&] {
            return waitpid(process, &status, WNOHANG) == process;
        })) << "it does not end";
        kill(process, SIGKILL);  // Reaped already, unless that failed.
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    std::string file(const std::string& name) const { return folder_.file(name); }
    std::string standing() const { return file("standing"); }

    // Like the main thread in a system call that takes minutes.
    [[noreturn]] void hang() const {
        support::write_file(standing(), "x");
        while (true) pause();
    }

    support::TemporaryDirectory folder_;
    SilentLog log_;
};

TEST_F(StartWatchTest, ASignalEndsAStartThatHangsAndRemovesTheHalfMadeFile) {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        std::filesystem::remove(standing());
        support::write_file(file("old.img"), "x");
        EXPECT_EQ(exit_code_after(signal_number,
                                  [&] {
                                      StartWatch watch(log_, milliseconds(1));
                                      const StartWatch::Making making(watch, file("new.img"));
                                      support::write_file(file("new.img"), "half");
                                      hang();
                                  }),
                  exit_code::clean);
        EXPECT_FALSE(std::filesystem::exists(file("new.img")));
        EXPECT_TRUE(std::filesystem::exists(file("old.img")));
    }
}

TEST_F(StartWatchTest, AFileThatIsMadeStays) {
    EXPECT_EQ(exit_code_after(SIGINT,
                              [&] {
                                  StartWatch watch(log_, milliseconds(1));
                                  {
                                      const StartWatch::Making making(watch, file("new.img"));
                                      support::write_file(file("new.img"), "whole");
                                  }
                                  hang();
                              }),
              exit_code::clean);
    EXPECT_TRUE(std::filesystem::exists(file("new.img")));
}

TEST_F(StartWatchTest, AStartThatLooksEndsInOrder) {
    EXPECT_EQ(exit_code_after(SIGTERM,
                              [&] {
                                  StartWatch watch(log_, std::chrono::hours(1));
                                  support::write_file(standing(), "x");
                                  support::eventually([&] { return watch.is_stop_asked(); });
                                  _exit(watch.end() ? stopped_in_order : 1);
                              }),
              stopped_in_order);
}

TEST_F(StartWatchTest, ASignalAfterItsEndIsLeftForTheNext) {
    EXPECT_EQ(exit_code_after(SIGTERM,
                              [&] {
                                  StartWatch watch(log_, milliseconds(1));
                                  if (watch.end()) _exit(1);
                                  support::write_file(standing(), "x");
                                  const sigset_t signals = ending_signals();
                                  int signal_number = 0;
                                  sigwait(&signals, &signal_number);
                                  _exit(signal_number == SIGTERM ? stopped_in_order : 2);
                              }),
              stopped_in_order);
}

}  // namespace
}  // namespace blockd::daemon
