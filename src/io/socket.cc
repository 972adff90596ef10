#include "io/socket.h"

#include "io/os_error.h"
#include "io/socket_options.h"

#include <blockd/assert.h>

#include <cerrno>
#include <cstddef>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace blockd::io {
namespace {

static_assert(sizeof(IoVector) == sizeof(iovec));
static_assert(offsetof(IoVector, base) == offsetof(iovec, iov_base));
static_assert(offsetof(IoVector, size) == offsetof(iovec, iov_len));

int number(Fd fd) { return static_cast<int>(fd); }

int domain_of(AddressFamily family) {
    switch (family) {
        case AddressFamily::ipv4: return AF_INET;
        case AddressFamily::ipv6: return AF_INET6;
        case AddressFamily::unix_path: return AF_UNIX;
    }
    return AF_UNSPEC;
}

// Options only tune: a socket whose peer has gone already refuses them (EINVAL on macOS), and its
// next operation says so.
void set_options(int socket, int domain) {
    set_platform_options(socket, domain);
    if (domain == AF_UNIX) return;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // A peer that lost its power says nothing; asking it now and then finds out.
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

// EWOULDBLOCK and EAGAIN are one number on the systems served.
static_assert(EWOULDBLOCK == EAGAIN);

using NameFunction = int (*)(int, struct sockaddr*, socklen_t*);

Result<Address> name_of(Fd socket, NameFunction function, const char* during) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (function(number(socket), reinterpret_cast<struct sockaddr*>(&storage), &size) != 0) {
        return error_from_errno(errno, during);
    }
    return Address::from_sockaddr(&storage, size);
}

}  // namespace

Result<Fd> open_stream_socket(AddressFamily family) {
    const int domain = domain_of(family);
    const int32_t socket = open_raw_socket(domain);
    if (socket < 0) return error_from_errno(-socket, "open socket");
    set_options(socket, domain);
    return static_cast<Fd>(socket);
}

// accept(2): errors of a connection that died in the queue, and on Linux any error of its network.
bool is_error_of_one_connection(int32_t os_errno) {
    switch (os_errno) {
        case ECONNABORTED:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETDOWN:
        case ENETUNREACH: return true;
        default: return false;
    }
}

void prepare_accepted_socket(Fd socket) {
    sockaddr_storage near_end{};
    socklen_t size = sizeof(near_end);
    if (::getsockname(number(socket), reinterpret_cast<struct sockaddr*>(&near_end), &size) == 0) {
        set_options(number(socket), near_end.ss_family);
    }
}

int64_t accept_connection(Fd listener) {
    int32_t socket = 0;
    do {
        socket = accept_raw_socket(number(listener));
    } while (socket < 0 && (socket == -EINTR || is_error_of_one_connection(-socket)));
    if (socket >= 0) prepare_accepted_socket(static_cast<Fd>(socket));
    return socket;
}

int64_t start_connecting(Fd socket, const Address& address) {
    const auto* const far_end = static_cast<const struct sockaddr*>(address.sockaddr());
    const auto size = static_cast<socklen_t>(address.sockaddr_size());
    if (::connect(number(socket), far_end, size) == 0) return 0;
    switch (errno) {
        case EINTR:  // connect(2): it goes on by itself.
            return -EINPROGRESS;
        case EAGAIN:  // Linux, a unix listener whose backlog is full; macOS says ECONNREFUSED.
            return -ECONNREFUSED;
        default: return -errno;
    }
}

int64_t connect_result(Fd socket) {
    int os_errno = 0;
    socklen_t size = sizeof(os_errno);
    if (::getsockopt(number(socket), SOL_SOCKET, SO_ERROR, &os_errno, &size) != 0) return -errno;
    if (os_errno != 0) return -os_errno;
    // No error and no peer: the hint was wrong, and the socket is still connecting.
    sockaddr_storage peer{};
    size = sizeof(peer);
    const int named =
        ::getpeername(number(socket), reinterpret_cast<struct sockaddr*>(&peer), &size);
    return named != 0 && errno == ENOTCONN ? -EINPROGRESS : 0;
}

msghdr message_of(std::span<const IoVector> vectors) {
    msghdr message{};
    // The layout is the same, asserted above; the kernel does not write to the array.
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<IoVector*>(vectors.data()));
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(vectors.size());
    return message;
}

int64_t receive(Fd socket, std::span<const IoVector> vectors) {
    msghdr message = message_of(vectors);
    ssize_t count = 0;
    do {
        count = ::recvmsg(number(socket), &message, 0);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int64_t transmit(Fd socket, std::span<const IoVector> vectors) {
    const msghdr message = message_of(vectors);
    ssize_t count = 0;
    do {
        count = ::sendmsg(number(socket), &message, transmit_flags());
    } while (count < 0 && errno == EINTR);
    return count < 0 ? transmit_failure(errno) : count;
}

int64_t transmit_failure(int32_t os_errno) {
    switch (os_errno) {
        case ENOBUFS: return -EAGAIN;
        case EPROTOTYPE: return -ECONNRESET;
        default: return -os_errno;
    }
}

// shutdown(2): ENOTCONN when the peer is gone (macOS), which is what was wanted.
void shut_down(Fd socket, ShutdownKind kind) {
    switch (kind) {
        case ShutdownKind::receive: ::shutdown(number(socket), SHUT_RD); return;
        case ShutdownKind::send: ::shutdown(number(socket), SHUT_WR); return;
        case ShutdownKind::both: ::shutdown(number(socket), SHUT_RDWR); return;
    }
}

Result<Address> local_address_of(Fd socket) {
    return name_of(socket, ::getsockname, "find local address");
}

Result<Address> peer_address_of(Fd socket) {
    return name_of(socket, ::getpeername, "find peer address");
}

}  // namespace blockd::io
