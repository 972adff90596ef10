#include "server/limits.h"

#include <algorithm>

namespace blockd::server {

// Clients go where the fewest are, and among equals to the first: the rest of the division is for
// the first ones, and then a client finds room as long as there is some.
Limits share_of(const Limits& limits, ShardPlace place) {
    Limits share = limits;
    const bool has_one_more = place.index < limits.connections % place.count;
    share.connections = limits.connections / place.count + (has_one_more ? 1 : 0);
    share.requests = limits.requests / place.count;
    share.buffer_bytes = limits.buffer_bytes / place.count;
    share.bytes_per_connection = std::min(limits.bytes_per_connection, share.buffer_bytes);
    return share;
}

uint32_t shards_max_of(const Limits& limits) {
    const uint64_t by_bytes = limits.buffer_bytes / buffer_bytes_min;
    const uint64_t by_requests = limits.requests / limits.requests_per_connection;
    const uint64_t by_connections = limits.connections;
    return uint32_t(std::min({by_bytes, by_requests, by_connections, uint64_t(shards_max)}));
}

}  // namespace blockd::server
