// Every bound of the server, and how the bounds relate.
#pragma once

#include <blockd/nbd_wire.h>

#include <cstddef>
#include <cstdint>

namespace blockd::server {

// Bytes of one piece of a request's memory and of one disk operation; larger requests are made of
// several.
inline constexpr uint32_t chunk_size_max = 1u << 20;

// What a connection receives into when no payload is expected.
inline constexpr uint32_t receive_buffer_size = 16u << 10;

// Pieces of one sendmsg.
inline constexpr uint32_t send_vectors_max = 64;

// Pieces of one recvmsg: a payload of maximum size that begins and ends inside a block, and the
// receive buffer behind it.
inline constexpr uint32_t receive_vectors_max = nbd::payload_size_max / chunk_size_max + 2;

// From so many requests on that a client is about to send, it pays to wait for more than the first.
// Not while the disk has little to do, which it would have to do without; never is little.
inline constexpr uint32_t gather_requests_min = 4;
inline constexpr uint32_t gather_disk_operations_min = 32;

// How long a client may go on negotiating once the server shuts down, and how long one that was
// told everything has to hang up by itself.
inline constexpr uint64_t negotiation_grace_ns = 500'000'000;
inline constexpr uint64_t linger_ns = 1'000'000'000;

// How long accepting rests when the system has no file descriptor or memory left.
inline constexpr uint64_t accept_pause_ns = 50'000'000;

inline constexpr uint32_t exports_max = 1024;
inline constexpr uint32_t listeners_max = 64;

// What the operator may choose.
struct Limits {
    uint32_t connections = 1024;
    uint32_t requests_per_connection = 128;
    uint64_t bytes_per_connection = 64u << 20;  // Request memory; one request always fits.
    uint32_t requests = 4096;                   // Of all connections together.
    uint64_t buffer_bytes = 256u << 20;         // Request memory of all connections together.
    uint64_t handshake_timeout_ns = 10'000'000'000;
    // For a client to take one reply, from the moment on when it is ready, or to send one write's
    // payload, whole: no request's memory is held for longer by a client that is slow or gone.
    uint64_t transfer_timeout_ns = 60'000'000'000;
    uint64_t shutdown_grace_ns = 10'000'000'000;
};

// What one of several loops may have of what all connections may have together. They must go round:
// see shards_max_of().
struct ShardPlace {
    uint32_t index;
    uint32_t count;
};
Limits share_of(const Limits& limits, ShardPlace place);

// How many loops can share the limits.
uint32_t shards_max_of(const Limits& limits);

inline constexpr uint32_t shards_max = 64;

inline constexpr uint32_t connections_max = 65'536;
inline constexpr uint32_t requests_per_connection_max = 1024;
inline constexpr uint32_t requests_max = 65'536;
inline constexpr uint64_t buffer_bytes_min = 64u << 20;
inline constexpr uint64_t buffer_bytes_max = uint64_t(64) << 30;
inline constexpr uint64_t bytes_per_connection_min = nbd::payload_size_max + 2 * chunk_size_max;
inline constexpr uint64_t timeout_ns_min = 1'000'000;
inline constexpr uint64_t timeout_ns_max = 86'400'000'000'000;  // A day.

static_assert(nbd::payload_size_max % chunk_size_max == 0);
static_assert(buffer_bytes_min >= bytes_per_connection_min,
              "a request of maximum size fits while nothing else runs");
static_assert(Limits().bytes_per_connection >= bytes_per_connection_min);
static_assert(Limits().buffer_bytes >= buffer_bytes_min);

}  // namespace blockd::server
