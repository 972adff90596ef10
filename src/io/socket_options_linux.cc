// socket(2), accept4(2), Linux and FreeBSD: both flags are set in the same call.
#include "io/socket_options.h"

#include <cerrno>
#include <sys/socket.h>

namespace blockd::io {

int32_t open_raw_socket(int32_t domain) {
    const int socket = ::socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return socket < 0 ? -errno : socket;
}

int32_t accept_raw_socket(int32_t listener) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return socket < 0 ? -errno : socket;
}

// send(2): MSG_NOSIGNAL keeps a send from raising SIGPIPE.
int32_t transmit_flags() { return MSG_NOSIGNAL; }

// The default of 208 KiB counts the kernel's overhead too and holds some 25 replies of 4 KiB. The
// system caps this at net.core.wmem_max.
void set_platform_options(int32_t socket, int32_t domain) {
    if (domain != AF_UNIX) return;
    const int buffer_size = 1 << 20;
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof(buffer_size));
}

}  // namespace blockd::io
