// Non-blocking stream sockets, as the backends use them. Each function is one system call
// or little more; where a function returns int64_t, that is a count or fd, or a negated errno.
//
// What differs between systems stands in socket_options.h.
#pragma once

#include <blockd/error.h>
#include <blockd/io/backend.h>

#include <cstdint>
#include <span>
#include <sys/socket.h>

namespace blockd::io {

Result<Fd> open_stream_socket(AddressFamily family);

// A connection ready for the loop: non-blocking, close-on-exec, no SIGPIPE, no Nagle delay.
// -EAGAIN when none waits.
int64_t accept_connection(Fd listener);

// What accept_connection does to a new connection beside accepting it; and which errors of an
// accept say nothing of the listener, so that the next connection is tried.
void prepare_accepted_socket(Fd socket);
bool is_error_of_one_connection(int32_t os_errno);

// 0 when connected at once, -EINPROGRESS when the socket turns writable later: then
// connect_result() says how it went.
int64_t start_connecting(Fd socket, const Address& address);
int64_t connect_result(Fd socket);

// -EAGAIN when nothing can be moved now. receive returns 0 at the end of the stream.
int64_t receive(Fd socket, std::span<const IoVector> vectors);
int64_t transmit(Fd socket, std::span<const IoVector> vectors);

// What receive and transmit tell the kernel; it names the vectors, and copies none.
msghdr message_of(std::span<const IoVector> vectors);

// What a transmit returns for the errno of its send. ENOBUFS: no memory for it at the moment, which
// passes. EPROTOTYPE: macOS, when the peer is closing the connection just then.
int64_t transmit_failure(int32_t os_errno);

void shut_down(Fd socket, ShutdownKind kind);

Result<Address> local_address_of(Fd socket);
Result<Address> peer_address_of(Fd socket);

}  // namespace blockd::io
