// Where systems differ in making a socket. Chosen by meson: socket_options_linux.cc (FreeBSD too),
// socket_options_darwin.cc.
#pragma once

#include <cstdint>

namespace blockd::io {

// A non-blocking, close-on-exec stream socket; the fd or a negated errno.
int32_t open_raw_socket(int32_t domain);
int32_t accept_raw_socket(int32_t listener);

// Keeps the socket from raising SIGPIPE, and gives a unix socket buffers that hold a request.
void set_platform_options(int32_t socket, int32_t domain);

// The flags of every send.
int32_t transmit_flags();

}  // namespace blockd::io
