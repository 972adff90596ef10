// The NBD URIs under which clients find an export, as the NBD project's doc/uri.md defines them.
#pragma once

#include <blockd/io/address.h>

#include <string>
#include <string_view>

namespace blockd::daemon {

// "nbd+unix:///demo?socket=/run/blockd.sock", "nbd://127.0.0.1:10809/demo". An address that
// listens everywhere is given as the machine itself knows it: 127.0.0.1 or [::1].
std::string export_uri(const io::Address& address, std::string_view export_name);

// The text as one word of a shell command: quoted where it has to be.
std::string shell_word(std::string_view text);

}  // namespace blockd::daemon
