#include "daemon/signal_watch.h"

#include <csignal>

#include <pthread.h>
#include <unistd.h>

#include "daemon/exit_code.h"

namespace blockd::daemon {

sigset_t ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

void take_over_signals() {
    sigset_t signals = ending_signals();
    sigaddset(&signals, wake_signal);
    ASSERT(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // A write past the limit of a file's size is EFBIG to its client.
}

SignalWatch::SignalWatch(io::Loop& loop, io::Callback<uint32_t> arrived)
    : loop_(loop), arrived_(arrived) {
    loop_.open_event(event_);
    listen();
    thread_ = std::thread([this] { wait_for_signals(); });
}

SignalWatch::~SignalWatch() {
    // The thread takes any signal as the end from now on; this one is for it alone.
    is_ending_ = true;
    pthread_kill(thread_.native_handle(), SIGINT);
    thread_.join();

    loop_.cancel(completion_);
    while (!completion_.is_idle()) loop_.tick();
    loop_.close_event(event_);
}

void SignalWatch::wait_for_signals() {
    const sigset_t signals = ending_signals();
    while (true) {
        int signal_number = 0;
        if (sigwait(&signals, &signal_number) != 0) continue;
        if (is_ending_) return;
        if (signal_count_.fetch_add(1) >= signals_before_exit) _exit(exit_code::unclean);
        loop_.event_trigger(event_);
    }
}

void SignalWatch::listen() {
    loop_.event_listen(event_, completion_, io::bind<&SignalWatch::event_done>(this));
}

void SignalWatch::event_done(Result<Ok> result) {
    if (!result || is_ending_) return;  // The destructor waits for the end of this.
    listen();

    // Triggers coalesce: the count, not the callbacks, says how many signals came.
    const uint32_t count = signal_count_;
    if (count == reported_count_) return;
    reported_count_ = count;
    arrived_(count);
}

}  // namespace blockd::daemon
