#include "io/worker_thread.h"

#include <blockd/assert.h>

#include <csignal>
#include <cstring>

namespace blockd::io {

SignalsBlocked::SignalsBlocked() {
    static_assert(sizeof(sigset_t) <= sizeof(saved_));
    sigset_t all;
    sigset_t saved;
    sigfillset(&all);
    ASSERT(::pthread_sigmask(SIG_SETMASK, &all, &saved) == 0);
    std::memcpy(saved_, &saved, sizeof(saved));
}

SignalsBlocked::~SignalsBlocked() {
    sigset_t saved;
    std::memcpy(&saved, saved_, sizeof(saved));
    ASSERT(::pthread_sigmask(SIG_SETMASK, &saved, nullptr) == 0);
}

}  // namespace blockd::io
