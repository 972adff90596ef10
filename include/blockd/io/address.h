// Where a socket listens or connects to: an IPv4 or IPv6 address with a port, or a unix path.
#pragma once

#include <blockd/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace blockd::io {

enum class AddressFamily : uint8_t { ipv4, ipv6, unix_path };

class Address {
  public:
    // `host` is a numeric IPv4 or IPv6 address ("127.0.0.1", "::1"). Error{invalid} otherwise.
    static Result<Address> ip(std::string_view host, uint16_t port);

    // Error{too_large} when the path does not fit the system's sockaddr_un (103 bytes on macOS,
    // 107 on Linux), Error{invalid} when it is empty or holds a NUL.
    static Result<Address> unix_path(std::string_view path);

    // Every address of a host name, in the resolver's order. Blocks: never on a loop's thread
    // while it serves. Error{unreachable} when the name is unknown.
    static Result<std::vector<Address>> resolve(const std::string& host, uint16_t port);

    // From a sockaddr_storage, with the size that getsockname or getpeername says it would need.
    static Address from_sockaddr(const void* address, size_t size);

    AddressFamily family() const { return family_; }
    uint16_t port() const;     // 0 for a unix path.
    std::string path() const;  // Empty unless a unix path.

    // "127.0.0.1:10809", "[::1]:10809", "unix:/run/blockd.sock", "unix:" for an unnamed peer.
    std::string text() const;

    const void* sockaddr() const { return storage_.data(); }
    size_t sockaddr_size() const { return size_; }

  private:
    static constexpr size_t storage_size =
        128;  // sizeof(sockaddr_storage), asserted in address.cc.

    alignas(8) std::array<std::byte, storage_size> storage_{};
    uint8_t size_ = 0;
    AddressFamily family_ = AddressFamily::ipv4;
};

}  // namespace blockd::io
