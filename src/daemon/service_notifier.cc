#include "daemon/service_notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace blockd::daemon {
namespace {

Error failure(const char* step) { return {ErrorCode::os, errno, step}; }

Result<Ok> send_datagram(int32_t fd, const std::string& socket, std::string_view state) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    if (socket[0] == '@') address.sun_path[0] = '\0';

    // An abstract name is as long as the address says: no NUL ends it.
    const size_t size = offsetof(sockaddr_un, sun_path) + socket.size();
    const ssize_t sent =
        sendto(fd, state.data(), state.size(), 0, reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(size));
    if (sent < 0) return failure("send to NOTIFY_SOCKET");
    return Ok{};
}

}  // namespace

Result<Ok> ServiceNotifier::send(std::string_view state) const {
    if (socket_.empty()) return Ok{};
    if (socket_[0] != '/' && socket_[0] != '@') {
        return Error{ErrorCode::not_supported, 0, "read NOTIFY_SOCKET"};
    }
    if (socket_.size() >= sizeof(sockaddr_un::sun_path)) {
        return Error{ErrorCode::too_large, 0, "read NOTIFY_SOCKET"};
    }
    const int32_t fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0) return failure("open a socket for NOTIFY_SOCKET");
    const Result<Ok> sent = send_datagram(fd, socket_, state);
    ::close(fd);
    return sent;
}

}  // namespace blockd::daemon
