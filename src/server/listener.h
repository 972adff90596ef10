// Accepts clients on one address.
#pragma once

#include <blockd/error.h>
#include <blockd/io/loop.h>

#include "server/log.h"

namespace blockd::server {

class Listener {
  public:
    struct Options {
        io::Fd socket;                    // Listens already.
        io::Callback<io::Fd> accepted;    // Owns the new socket.
        io::Callback<Listener*> stopped;  // The listener may be destroyed in it.
    };

    Listener(io::Loop& loop, Log& log, const Options& options);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void start();

    // Ends accepting and closes the socket; `stopped` follows.
    void stop();

  private:
    void accept();
    void accept_done(Result<io::Fd> result);
    void pause_done(Result<Ok> result);
    void close();
    void close_done(Result<Ok> result);

    io::Loop& loop_;
    Log& log_;
    const Options options_;
    io::Completion accept_completion_;
    io::Completion pause_completion_;
    io::Completion close_completion_;
    bool is_stopping_ = false;
    bool is_pause_logged_ = false;
};

}  // namespace blockd::server
