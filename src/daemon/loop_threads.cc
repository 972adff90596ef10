#include "daemon/loop_threads.h"

#include "io/worker_thread.h"

namespace blockd::daemon {
namespace {

void run(io::Loop& loop) {
    io::prepare_worker_thread("blockd-loop");
    while (loop.in_flight_count() > 0) loop.flush(io::loop_wait_ns_max);
}

}  // namespace

LoopThreads::LoopThreads(std::span<io::Loop* const> loops) {
    threads_.reserve(loops.size());
    const io::SignalsBlocked signals_blocked;
    for (io::Loop* const loop : loops) threads_.emplace_back([loop] { run(*loop); });
}

LoopThreads::~LoopThreads() {
    for (std::thread& thread : threads_) thread.join();
}

}  // namespace blockd::daemon
