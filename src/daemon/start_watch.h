// SIGTERM and SIGINT while blockd opens and makes its data files, before a loop runs. No system
// call of that can be cut short, and one may take minutes.
//
// The first signal asks for an end, which takes place between two files. When that takes longer
// than the patience, the process ends where it is, with exit code 0: what was opened is as it was,
// and the file that is being made is removed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "server/log.h"

namespace blockd::daemon {

class StartWatch {
  public:
    static constexpr std::chrono::milliseconds patience_default{1000};

    // Call take_over_signals() before.
    explicit StartWatch(server::Log& log, std::chrono::milliseconds patience = patience_default);
    StartWatch(const StartWatch&) = delete;
    StartWatch& operator=(const StartWatch&) = delete;

    ~StartWatch();

    bool is_stop_asked() const;

    // Whether it was asked to stop. A signal that comes later waits for who asks next.
    bool end();

    // While it lives, a data file is being made at that path, where it has not its own name yet.
    class Making {
      public:
        Making(StartWatch& watch, const std::string& path) : watch_(watch) { watch_.set(path); }
        ~Making() { watch_.set({}); }
        Making(const Making&) = delete;
        Making& operator=(const Making&) = delete;

      private:
        StartWatch& watch_;
    };

  private:
    void set(const std::string& path);
    void wait_for_signal();
    void end_where_it_is(const std::string& path);

    server::Log& log_;
    const std::chrono::milliseconds patience_;
    mutable std::mutex mutex_;
    std::condition_variable ended_;
    std::string path_;  // Of the file that is being made.
    bool is_stop_asked_ = false;
    bool is_ending_ = false;
    std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace blockd::daemon
