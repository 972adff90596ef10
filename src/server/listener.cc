#include "server/listener.h"

#include <blockd/assert.h>

#include "server/limits.h"

namespace blockd::server {

Listener::Listener(io::Loop& loop, Log& log, const Options& options)
    : loop_(loop), log_(log), options_(options) {}

void Listener::start() { accept(); }

void Listener::stop() {
    ASSERT(!is_stopping_);
    is_stopping_ = true;
    loop_.cancel(accept_completion_);
    loop_.cancel(pause_completion_);
}

void Listener::accept() {
    loop_.accept(accept_completion_, {.listener = options_.socket},
                 io::bind<&Listener::accept_done>(this));
}

void Listener::accept_done(Result<io::Fd> result) {
    if (result) {
        // Also after stop(): a cancel may come too late, and the socket needs an owner.
        options_.accepted(*result);
        is_pause_logged_ = false;
        return is_stopping_ ? close() : accept();
    }
    if (is_stopping_) return close();

    // A client that was gone before it was accepted is no reason to rest.
    if (result.error().code == ErrorCode::connection_reset) return accept();

    // No file descriptor or memory is left, as a rule. The client stays in the backlog, where the
    // kernel keeps reporting it: asking again at once would be a busy loop. The clients that are
    // connected go on unharmed.
    if (!is_pause_logged_) {
        is_pause_logged_ = true;
        log_.write(LogLevel::warning, "accepting rests",
                   {{"os_errno", uint64_t(result.error().os_errno)}});
    }
    loop_.timeout(pause_completion_, {.after_ns = accept_pause_ns},
                  io::bind<&Listener::pause_done>(this));
}

void Listener::pause_done(Result<Ok>) { is_stopping_ ? close() : accept(); }

void Listener::close() {
    loop_.close(close_completion_, {.fd = options_.socket}, io::bind<&Listener::close_done>(this));
}

void Listener::close_done(Result<Ok>) { options_.stopped(this); }

}  // namespace blockd::server
