#include "io/listen_socket.h"

#include "io/socket.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blockd::io {
namespace {

class ListenSocket : public testing::Test {
  protected:
    Result<Fd> listen() { return open_listen_socket({.address = *Address::unix_path(path_)}); }
    bool accepts() {
        const Fd client = *open_stream_socket(AddressFamily::unix_path);
        const int64_t result = start_connecting(client, *Address::unix_path(path_));
        ::close(static_cast<int>(client));
        return result == 0;
    }
    bool exists() {
        struct stat status {};
        return ::lstat(path_.c_str(), &status) == 0;
    }

    support::TemporaryDirectory directory_;
    std::string path_ = directory_.file("socket");
};

TEST_F(ListenSocket, TheNextServerTakesOverThePathOfADeadOne) {
    const Result<Fd> dead = listen();
    ASSERT_TRUE(dead);
    ::close(static_cast<int>(*dead));
    ASSERT_TRUE(exists());
    ASSERT_FALSE(accepts());
    const Result<Fd> next = listen();
    ASSERT_TRUE(next);
    EXPECT_TRUE(accepts());
    ::close(static_cast<int>(*next));
}

TEST_F(ListenSocket, ALiveServersPathIsInUse) {
    const Result<Fd> live = listen();
    ASSERT_TRUE(live);
    const Result<Fd> second = listen();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
    EXPECT_STREQ(second.error().during, "bind");
    EXPECT_TRUE(accepts()) << "and goes on";
    ::close(static_cast<int>(*live));
}

// Its backlog is full, so that it does not answer; it lives all the same.
TEST_F(ListenSocket, ABusyServersPathIsInUse) {
    const Result<Fd> live =
        open_listen_socket({.address = *Address::unix_path(path_), .backlog = 0});
    ASSERT_TRUE(live);
    while (accepts()) {
    }
    const Result<Fd> second = listen();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
    ::close(static_cast<int>(*live));
}

TEST_F(ListenSocket, APathThatIsNoSocketIsNeverRemoved) {
    support::write_file(path_, "precious");
    const Result<Fd> listener = listen();
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, ErrorCode::address_in_use);
    EXPECT_EQ(support::read_file(path_), "precious");
}

TEST_F(ListenSocket, ALinkToADeadSocketIsNotRemoved) {
    const std::string dead_path = directory_.file("dead");
    const Fd dead = *open_listen_socket({.address = *Address::unix_path(dead_path)});
    ::close(static_cast<int>(dead));
    ASSERT_EQ(::symlink(dead_path.c_str(), path_.c_str()), 0);
    EXPECT_FALSE(listen());
    EXPECT_TRUE(exists());
}

TEST_F(ListenSocket, ThePathHasTheModeThatWasAskedForWhateverTheUmask) {
    const mode_t umask_before = ::umask(0077);
    const Result<Fd> listener =
        open_listen_socket({.address = *Address::unix_path(path_), .unix_mode = 0666});
    ::umask(umask_before);
    ASSERT_TRUE(listener);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0666u);
    ::close(static_cast<int>(*listener));
}

TEST_F(ListenSocket, AnAbsentFolderIsNotFound) {
    path_ = directory_.file("absent/socket");
    EXPECT_EQ(listen().error().code, ErrorCode::not_found);
}

// The lock that keeps servers apart which start at once is anybody's who may read the folder.
TEST_F(ListenSocket, WhoeverHoldsTheFoldersLockKeepsNoServerFromStarting) {
    const int folder = ::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::flock(folder, LOCK_EX | LOCK_NB), 0);
    const auto begin = std::chrono::steady_clock::now();
    const Result<Fd> listener = listen();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    ASSERT_TRUE(listener);
    EXPECT_TRUE(accepts());
    ::close(static_cast<int>(*listener));
    ::close(folder);
}

TEST(ListenSocketTcp, ATakenPortIsInUse) {
    const Fd first = *open_listen_socket({.address = *Address::ip("127.0.0.1", 0)});
    const Address taken = *local_address_of(first);
    EXPECT_NE(taken.port(), 0);
    const Result<Fd> second = open_listen_socket({.address = taken});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
    ::close(static_cast<int>(first));
}

// Otherwise the second of "::" and "0.0.0.0" would find its port in use on Linux.
TEST(ListenSocketTcp, BothFamiliesListenOnOnePort) {
    const Result<Fd> ipv6 = open_listen_socket({.address = *Address::ip("::", 0)});
    if (!ipv6) GTEST_SKIP() << "no IPv6 here";
    const uint16_t port = local_address_of(*ipv6)->port();
    const Result<Fd> ipv4 = open_listen_socket({.address = *Address::ip("0.0.0.0", port)});
    ASSERT_TRUE(ipv4);
    ::close(static_cast<int>(*ipv4));
    ::close(static_cast<int>(*ipv6));
}

TEST(ListenSocketTcp, AForeignAddressIsAnErrorThatNamesItsStep) {
    const Result<Fd> listener = open_listen_socket({.address = *Address::ip("192.0.2.1", 0)});
    ASSERT_FALSE(listener);
    EXPECT_STREQ(listener.error().during, "bind");
}

// Goal: of two servers that start at once on a dead one's path, exactly one listens there.
// Method: 300 starts of two threads each.
TEST_F(ListenSocket, TwoServersThatStartAtOnceDoNotTakeOneAnothersPath) {
    for (int round = 0; round < 300; ++round) {
        const Result<Fd> dead = listen();
        ASSERT_TRUE(dead);
        ::close(static_cast<int>(*dead));

        std::atomic<int> ready = 0;
        std::array<Result<Fd>, 2> sockets = {Fd::none, Fd::none};
        std::vector<std::thread> servers;
        for (Result<Fd>& socket : sockets) {
            servers.emplace_back([&] {
                ++ready;
                while (ready < 2) std::this_thread::yield();
                socket = listen();
            });
        }
        for (std::thread& server : servers) server.join();
        EXPECT_NE(bool(sockets[0]), bool(sockets[1])) << "round " << round;
        for (const Result<Fd>& socket : sockets) {
            if (socket) ::close(static_cast<int>(*socket));
        }
        ::unlink(path_.c_str());
    }
}

}  // namespace
}  // namespace blockd::io
