// Tells the service manager that started blockd (systemd, Type=notify) how far it is, through the
// datagram socket that the environment variable NOTIFY_SOCKET names. launchd has no such thing.
#pragma once

#include <blockd/error.h>

#include <string>
#include <string_view>
#include <utility>

namespace blockd::daemon {

class ServiceNotifier {
  public:
    // `socket` is NOTIFY_SOCKET's value: an absolute path, or "@name" in Linux' abstract
    // namespace. Empty: nobody is told anything, and that is no error.
    explicit ServiceNotifier(std::string socket) : socket_(std::move(socket)) {}

    // State lines as sd_notify(3) knows them: "READY=1\nSTATUS=...".
    Result<Ok> send(std::string_view state) const;

  private:
    std::string socket_;
};

}  // namespace blockd::daemon
