#include "daemon/notify_receiver.h"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace blockd::daemon {
namespace {

constexpr int32_t timeout_ms = 20'000;

bool has_input(int32_t fd, int32_t wait_ms) {
    pollfd descriptor = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&descriptor, 1, wait_ms) == 1;
}

}  // namespace

NotifyReceiver::NotifyReceiver(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(name_.size(), sizeof(address.sun_path));
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_[0] == '@') address.sun_path[0] = '\0';
    fd_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    const size_t size = offsetof(sockaddr_un, sun_path) + name_.size();
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)),
              0);
}

NotifyReceiver::~NotifyReceiver() { close(fd_); }

std::string NotifyReceiver::receive() {
    if (!has_input(fd_, timeout_ms)) {
        ADD_FAILURE() << "no notification came";
        return "";
    }
    std::array<char, 1024> buffer{};
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    EXPECT_GT(size, 0);
    return size > 0 ? std::string(buffer.data(), static_cast<size_t>(size)) : "";
}

bool NotifyReceiver::is_empty() const { return !has_input(fd_, 0); }

}  // namespace blockd::daemon
