#include <blockd/io/address.h>

#include "io/os_error.h"

#include <blockd/assert.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace blockd::io {

namespace {

// The system's structs are copied in and out: the storage is plain bytes to everybody else.
template <typename Sockaddr>
Sockaddr read_sockaddr(const Address& address) {
    Sockaddr result{};
    std::memcpy(&result, address.sockaddr(), std::min(sizeof(result), address.sockaddr_size()));
    return result;
}

Result<std::vector<Address>> addresses_of(const addrinfo* list) {
    std::vector<Address> addresses;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
        addresses.push_back(Address::from_sockaddr(entry->ai_addr, entry->ai_addrlen));
    }
    if (addresses.empty()) {
        return Error{.code = ErrorCode::unreachable, .during = "resolve host name"};
    }
    return addresses;
}

}  // namespace

Result<Address> Address::ip(std::string_view host, uint16_t port) {
    const std::string text(host);
    sockaddr_in ipv4{};
    if (::inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
        ipv4.sin_family = AF_INET;
        ipv4.sin_port = htons(port);
        return from_sockaddr(&ipv4, sizeof(ipv4));
    }
    sockaddr_in6 ipv6{};
    if (::inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1) {
        ipv6.sin6_family = AF_INET6;
        ipv6.sin6_port = htons(port);
        return from_sockaddr(&ipv6, sizeof(ipv6));
    }
    return Error{.code = ErrorCode::invalid, .during = "parse address"};
}

Result<Address> Address::unix_path(std::string_view path) {
    sockaddr_un address{};
    if (path.empty() || path.find('\0') != std::string_view::npos) {
        return Error{.code = ErrorCode::invalid, .during = "parse unix socket path"};
    }
    if (path.size() >= sizeof(address.sun_path)) {
        return Error{.code = ErrorCode::too_large, .during = "parse unix socket path"};
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return from_sockaddr(&address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

Result<std::vector<Address>> Address::resolve(const std::string& host, uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (status == EAI_SYSTEM) return error_from_errno(errno, "resolve host name");
    if (status == EAI_MEMORY) {
        return Error{.code = ErrorCode::no_memory, .during = "resolve host name"};
    }
    if (status != 0) return Error{.code = ErrorCode::unreachable, .during = "resolve host name"};
    Result<std::vector<Address>> addresses = addresses_of(list);
    ::freeaddrinfo(list);
    return addresses;
}

Address Address::from_sockaddr(const void* address, size_t size) {
    static_assert(storage_size == sizeof(sockaddr_storage));
    static_assert(storage_size <= UINT8_MAX, "size_ counts it");
    // macOS tells the untruncated size, and a unix peer may be bound to a path of 253 bytes.
    size = std::min(size, storage_size);
    Address result;
    // An unnamed unix peer may come without even its family.
    result.family_ = AddressFamily::unix_path;
    if (size < offsetof(struct sockaddr, sa_data)) return result;
    std::memcpy(result.storage_.data(), address, size);
    result.size_ = static_cast<uint8_t>(size);
    const sa_family_t family = read_sockaddr<struct sockaddr>(result).sa_family;
    ASSERT(family == AF_INET || family == AF_INET6 || family == AF_UNIX);
    result.family_ = family == AF_INET    ? AddressFamily::ipv4
                     : family == AF_INET6 ? AddressFamily::ipv6
                                          : AddressFamily::unix_path;
    return result;
}

uint16_t Address::port() const {
    switch (family_) {
        case AddressFamily::ipv4: return ntohs(read_sockaddr<sockaddr_in>(*this).sin_port);
        case AddressFamily::ipv6: return ntohs(read_sockaddr<sockaddr_in6>(*this).sin6_port);
        case AddressFamily::unix_path: return 0;
    }
    return 0;
}

std::string Address::path() const {
    constexpr size_t path_offset = offsetof(sockaddr_un, sun_path);
    if (family_ != AddressFamily::unix_path || size_ <= path_offset) return "";
    const sockaddr_un address = read_sockaddr<sockaddr_un>(*this);
    // A peer's path may fill sun_path without a NUL, and its size may count more than that.
    const size_t size_max = std::min<size_t>(size_, sizeof(address)) - path_offset;
    return {address.sun_path, ::strnlen(address.sun_path, size_max)};
}

std::string Address::text() const {
    std::array<char, INET6_ADDRSTRLEN> host{};
    switch (family_) {
        case AddressFamily::ipv4: {
            const sockaddr_in address = read_sockaddr<sockaddr_in>(*this);
            ::inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
            return std::string(host.data()) + ":" + std::to_string(port());
        }
        case AddressFamily::ipv6: {
            const sockaddr_in6 address = read_sockaddr<sockaddr_in6>(*this);
            ::inet_ntop(AF_INET6, &address.sin6_addr, host.data(), host.size());
            return "[" + std::string(host.data()) + "]:" + std::to_string(port());
        }
        case AddressFamily::unix_path: return "unix:" + path();
    }
    return "";
}

}  // namespace blockd::io
