// Where the server of an NBD URI listens.
#pragma once

#include <blockd/client/uri.h>
#include <blockd/error.h>
#include <blockd/io/address.h>

#include <vector>

namespace blockd::blockctl {

// Blocks while a host name is looked up.
Result<std::vector<io::Address>> addresses_of(const client::Uri& uri);

}  // namespace blockd::blockctl
