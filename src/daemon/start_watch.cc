#include "daemon/start_watch.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/exit_code.h"
#include "daemon/signal_watch.h"

namespace blockd::daemon {
StartWatch::StartWatch(server::Log& log, std::chrono::milliseconds patience)
    : log_(log), patience_(patience), thread_([this] { wait_for_signal(); }) {}

StartWatch::~StartWatch() { end(); }

bool StartWatch::end() {
    if (!thread_.joinable()) return is_stop_asked();
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    ended_.notify_one();
    pthread_kill(thread_.native_handle(), wake_signal);
    thread_.join();
    return is_stop_asked();
}

bool StartWatch::is_stop_asked() const {
    const std::lock_guard lock(mutex_);
    return is_stop_asked_;
}

void StartWatch::set(const std::string& path) {
    const std::lock_guard lock(mutex_);
    path_ = path;
}

void StartWatch::wait_for_signal() {
    sigset_t signals = ending_signals();
    sigaddset(&signals, wake_signal);
    int signal_number = 0;
    while (sigwait(&signals, &signal_number) != 0 || signal_number == wake_signal) {
        const std::lock_guard lock(mutex_);
        if (is_ending_) return;
    }

    std::unique_lock lock(mutex_);
    is_stop_asked_ = true;
    if (ended_.wait_for(lock, patience_, [this] { return is_ending_; })) return;
    end_where_it_is(path_);
}

// With the lock held: what is being made stays that until the end.
void StartWatch::end_where_it_is(const std::string& path) {
    if (!path.empty()) unlink(path.c_str());
    log_.write(server::LogLevel::info, "stopped before it served",
               {{"unfinished_file", std::string_view(path)}});
    _exit(exit_code::clean);
}

}  // namespace blockd::daemon
