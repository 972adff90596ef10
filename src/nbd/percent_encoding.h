// Percent-encoding, for the NBD project's URIs (doc/uri.md).
#pragma once

#include <string>
#include <string_view>

namespace blockd::nbd {

// Leaves what stands for itself in a path, a query and a host alike (RFC 3986): letters, digits and
// "-._~/:@".
std::string percent_encoded(std::string_view text);

}  // namespace blockd::nbd
