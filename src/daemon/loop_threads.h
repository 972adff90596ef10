// The threads of all loops but the first, which is the main thread's.
#pragma once

#include <blockd/io/loop.h>

#include <span>
#include <thread>
#include <vector>

namespace blockd::daemon {

// Each thread runs its loop until nothing is in flight there. Something is when it starts.
class LoopThreads {
  public:
    // Throws std::system_error when the system has no room for a thread.
    explicit LoopThreads(std::span<io::Loop* const> loops);

    // Waits for the threads to end.
    ~LoopThreads();
    LoopThreads(const LoopThreads&) = delete;
    LoopThreads& operator=(const LoopThreads&) = delete;

  private:
    std::vector<std::thread> threads_;
};

}  // namespace blockd::daemon
