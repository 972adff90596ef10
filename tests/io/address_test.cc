#include <blockd/io/address.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace blockd::io {
namespace {

TEST(Address, NamesItsFamilyItsPortAndItsText) {
    const Address ipv4 = *Address::ip("127.0.0.1", 10809);
    EXPECT_EQ(ipv4.family(), AddressFamily::ipv4);
    EXPECT_EQ(ipv4.port(), 10809);
    EXPECT_EQ(ipv4.text(), "127.0.0.1:10809");
    EXPECT_EQ(ipv4.sockaddr_size(), sizeof(sockaddr_in));
    const Address ipv6 = *Address::ip("::1", 65535);
    EXPECT_EQ(ipv6.family(), AddressFamily::ipv6);
    EXPECT_EQ(ipv6.text(), "[::1]:65535");
    EXPECT_EQ(ipv6.path(), "");
    const Address path = *Address::unix_path("/run/blockd.sock");
    EXPECT_EQ(path.family(), AddressFamily::unix_path);
    EXPECT_EQ(path.port(), 0);
    EXPECT_EQ(path.path(), "/run/blockd.sock");
    EXPECT_EQ(path.text(), "unix:/run/blockd.sock");
}

TEST(Address, RefusesWhatIsNoNumericAddress) {
    for (const char* const host : {"", "localhost", "127.0.0", "127.0.0.1.1", "::g", "[::1]"}) {
        const Result<Address> address = Address::ip(host, 1);
        ASSERT_FALSE(address) << host;
        EXPECT_EQ(address.error().code, ErrorCode::invalid);
    }
}

TEST(Address, TakesPathsUpToTheSystemsLimit) {
    constexpr size_t size_max = sizeof(sockaddr_un{}.sun_path) - 1;
    const std::string longest = "/" + std::string(size_max - 1, 'x');
    ASSERT_TRUE(Address::unix_path(longest));
    EXPECT_EQ(Address::unix_path(longest)->path(), longest);
    EXPECT_EQ(Address::unix_path(longest + "x").error().code, ErrorCode::too_large);
    EXPECT_EQ(Address::unix_path("").error().code, ErrorCode::invalid);
    EXPECT_EQ(Address::unix_path(std::string("/a\0b", 4)).error().code, ErrorCode::invalid);
}

TEST(Address, OfAnUnnamedUnixPeerHasNoPath) {
    sockaddr_un unnamed{};
    unnamed.sun_family = AF_UNIX;
    for (const size_t size : {size_t{0}, sizeof(sa_family_t), sizeof(unnamed)}) {
        const Address address = Address::from_sockaddr(&unnamed, size);
        EXPECT_EQ(address.text(), "unix:");
        EXPECT_EQ(address.family(), AddressFamily::unix_path);
    }
}

// unix(7): a peer may be bound to a path that fills sun_path, with no NUL behind it. getsockname
// counts one all the same (111 on Linux), and macOS tells the size that would have been needed.
TEST(Address, OfAPeerWhosePathFillsItsStructEndsWithIt) {
    sockaddr_storage storage{};
    std::memset(&storage, 'x', sizeof(storage));
    storage.ss_family = AF_UNIX;
    constexpr size_t path_offset = offsetof(sockaddr_un, sun_path);
    constexpr size_t path_size_max = sizeof(sockaddr_un{}.sun_path);
    for (const size_t size : {path_offset + path_size_max, path_offset + path_size_max + 1,
                              sizeof(storage), path_offset + 254}) {
        const Address address = Address::from_sockaddr(&storage, size);
        EXPECT_EQ(address.path(), std::string(path_size_max, 'x')) << size;
    }
}

TEST(Address, ResolvesNumbersAndTheLocalHost) {
    const auto numeric = Address::resolve("127.0.0.1", 80);
    ASSERT_TRUE(numeric);
    EXPECT_EQ(numeric->front().text(), "127.0.0.1:80");
    const auto local = Address::resolve("localhost", 80);
    ASSERT_TRUE(local);
    for (const Address& address : *local) EXPECT_EQ(address.port(), 80);
    EXPECT_EQ(Address::resolve("no-such-host.invalid", 80).error().code, ErrorCode::unreachable);
}

}  // namespace
}  // namespace blockd::io
