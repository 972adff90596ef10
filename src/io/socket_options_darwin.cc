// socket(2), accept(2), macOS: no SOCK_NONBLOCK, SOCK_CLOEXEC or accept4. An accepted socket
// inherits O_NONBLOCK from its listener but not FD_CLOEXEC (xnu bsd/kern/uipc_syscalls.c): both
// are set anyway.
#include "io/socket_options.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {
namespace {

int32_t make_non_blocking(int32_t socket) {
    const int flags = ::fcntl(socket, F_GETFL);
    if (flags >= 0 && ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) == 0 &&
        ::fcntl(socket, F_SETFD, FD_CLOEXEC) == 0) {
        return socket;
    }
    const int os_errno = errno;
    ::close(socket);
    return -os_errno;
}

}  // namespace

int32_t open_raw_socket(int32_t domain) {
    const int socket = ::socket(domain, SOCK_STREAM, 0);
    return socket < 0 ? -errno : make_non_blocking(socket);
}

// A null address is avoided: a connection that is reset before it is accepted has none.
int32_t accept_raw_socket(int32_t listener) {
    sockaddr_storage address{};
    socklen_t address_size = sizeof(address);
    const int socket =
        ::accept(listener, reinterpret_cast<struct sockaddr*>(&address), &address_size);
    return socket < 0 ? -errno : make_non_blocking(socket);
}

// <sys/socket.h> has it since macOS 11. SO_NOSIGPIPE alone would miss a socket whose peer had gone
// before its options were set.
int32_t transmit_flags() { return MSG_NOSIGNAL; }

// setsockopt(2) gives EINVAL when the peer has gone already; the receive that follows tells the
// rest. A unix socket's buffers are 8 KiB by default (PIPSIZ), which makes large transfers crawl;
// the system's cap is 8 MiB.
void set_platform_options(int32_t socket, int32_t domain) {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
    if (domain != AF_UNIX) return;
    const int buffer_size = 1 << 20;
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof(buffer_size));
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size));
}

}  // namespace blockd::io
