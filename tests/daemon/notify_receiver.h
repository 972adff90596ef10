// The service manager's end of NOTIFY_SOCKET.
#pragma once

#include <cstdint>
#include <string>

namespace blockd::daemon {

class NotifyReceiver {
  public:
    explicit NotifyReceiver(std::string name);  // A path, or "@name".
    NotifyReceiver(const NotifyReceiver&) = delete;
    NotifyReceiver& operator=(const NotifyReceiver&) = delete;
    ~NotifyReceiver();

    const std::string& name() const { return name_; }

    // The next datagram; empty, with a failure of the test, when none comes in time.
    std::string receive();

    // Whether nothing has come yet.
    bool is_empty() const;

  private:
    std::string name_;
    int32_t fd_ = -1;
};

}  // namespace blockd::daemon
