// Listening sockets: TCP on IPv4 and IPv6, and unix sockets with their path in the file system.
#pragma once

#include <blockd/error.h>
#include <blockd/io/backend.h>

namespace blockd::io {

// Opens, binds and listens. A unix path that a dead server left behind is replaced. One that a
// live server answers on, and a path that is no socket, is Error{address_in_use}.
Result<Fd> open_listen_socket(const ListenOptions& options);

}  // namespace blockd::io
