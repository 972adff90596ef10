// What a thread of ours tells the system about itself. Chosen by meson: worker_thread_linux.cc,
// worker_thread_darwin.cc, worker_thread_freebsd.cc.
#pragma once

namespace blockd::io {

// Names the calling thread (at most 15 characters) and asks for the scheduling of work that
// somebody waits for.
void prepare_worker_thread(const char* name);

// Blocks every signal in the calling thread, and so in the threads it starts, while it lives: a
// signal is the main thread's to handle.
class SignalsBlocked {
  public:
    SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked();

  private:
    alignas(8) unsigned char saved_[128];  // sigset_t, asserted in worker_thread.cc.
};

}  // namespace blockd::io
