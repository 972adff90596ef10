#include "blockctl/server_address.h"

namespace blockd::blockctl {

Result<std::vector<io::Address>> addresses_of(const client::Uri& uri) {
    if (!uri.is_unix) return io::Address::resolve(uri.host, uri.port);

    const Result<io::Address> address = io::Address::unix_path(uri.socket_path);
    if (!address) return address.error();
    return std::vector<io::Address>{*address};
}

}  // namespace blockd::blockctl
