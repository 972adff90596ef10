// SIGTERM and SIGINT, as calls on the loop's thread.
//
// The signals are blocked in every thread, and one thread does nothing but wait for them: no code
// ever runs in a signal handler. The third signal ends the process at once, whatever hangs.
#pragma once

#include <blockd/io/callback.h>
#include <blockd/io/loop.h>

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace blockd::daemon {

// Wakes a thread that waits for the two at its end. Not one of them, which would swallow a signal
// that came at that moment.
inline constexpr int wake_signal = SIGUSR2;

// Blocks all three for this thread and all that it starts; ignores SIGPIPE. Call it before any
// other thread exists.
void take_over_signals();

// The set of both, for sigwait().
sigset_t ending_signals();

class SignalWatch {
  public:
    // Calls `arrived` on the loop's thread with the number of signals so far.
    SignalWatch(io::Loop& loop, io::Callback<uint32_t> arrived);
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    // Ends the thread, and turns the loop until the event is closed.
    ~SignalWatch();

  private:
    static constexpr uint32_t signals_before_exit = 2;

    void wait_for_signals();
    void listen();
    void event_done(Result<Ok> result);

    io::Loop& loop_;
    io::Callback<uint32_t> arrived_;
    io::Event event_;
    io::Completion completion_;
    std::atomic<uint32_t> signal_count_ = 0;
    std::atomic<bool> is_ending_ = false;
    uint32_t reported_count_ = 0;
    std::thread thread_;
};

}  // namespace blockd::daemon
