// The client against servers that others wrote. Skipped where they are not installed.
#include <blockd/client/client.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <vector>

#include "client/client_fixture.h"
#include "support/daemon_process.h"
#include "support/program.h"

namespace blockd::client {
namespace {

constexpr uint64_t disk_size = 8 << 20;

class ForeignServers : public ClientTest {
  protected:
    void SetUp() override { support::make_sparse_file(disk(), disk_size); }

    std::string disk() const { return directory_.file("disk"); }
    std::string log() const { return directory_.file("log"); }
    support::Program::Files output() const { return {.output = log(), .errors = log()}; }
    io::Address unix_address() const { return *io::Address::unix_path(socket_path()); }

    // Until the server is up.
    bool connect_patiently(Client& client, const Client::ConnectOptions& options) {
        const bool is_up = support::eventually([&] { return bool(connect(client, options)); });
        EXPECT_TRUE(is_up) << client.failure_text() << "\n" << support::read_file(log());
        return is_up;
    }

    // What every server can do, and whether it did.
    void exercise(Client& client) {
        EXPECT_EQ(client.info().size, disk_size);
        struct Piece {
            Transfer transfer;
            Awaited<Ok> done;
            std::vector<std::byte> buffer;
        };
        constexpr size_t piece_size = 64 << 10;
        std::deque<Piece> pieces(disk_size / piece_size / 2);
        for (size_t index = 0; index < pieces.size(); ++index) {
            Piece& piece = pieces[index];
            piece.buffer.assign(piece_size, std::byte(index + 1));
            client.write(piece.transfer, piece.buffer,
                         {.offset = index * piece_size, .size = piece_size}, piece.done.callback());
        }
        for (Piece& piece : pieces) EXPECT_TRUE(wait(piece.done)) << client.failure_text();
        if ((client.info().flags & nbd::transmission_flag::send_flush) != 0) {
            EXPECT_TRUE(flush(client)) << client.failure_text();
        }
        std::vector<std::byte> whole(disk_size);
        EXPECT_TRUE(read(client, whole, 0)) << client.failure_text();
        const std::string on_disk = support::read_file(disk());
        ASSERT_EQ(on_disk.size(), disk_size);
        EXPECT_EQ(std::memcmp(on_disk.data(), whole.data(), disk_size), 0);
        EXPECT_EQ(whole[5 * piece_size], std::byte(6));
        EXPECT_EQ(whole[disk_size - 1], std::byte(0));
    }

    void expect_map(Client& client) {
        ASSERT_TRUE(client.info().has_base_allocation);
        std::array<StatusExtent, 64> extents;
        Transfer transfer;
        Awaited<uint32_t> status;
        client.block_status(transfer, extents, {.offset = 0, .size = disk_size}, status.callback());
        const Result<uint32_t> count = wait(status);
        ASSERT_TRUE(bool(count)) << client.failure_text();
        uint64_t size = 0;
        for (uint32_t index = 0; index < *count; ++index) size += extents[index].size;
        EXPECT_EQ(size, disk_size);
        EXPECT_EQ(extents[0].flags & nbd::allocation_zero, 0u) << "data was written there";
    }

    void expect_refusal(const Client::ConnectOptions& options) {
        Client client(loop_);
        Client::ConnectOptions wrong = options;
        wrong.export_name = "no-such-export";
        EXPECT_EQ(connect(client, wrong).error().code, ErrorCode::not_found)
            << client.failure_text();
    }
};

TEST_F(ForeignServers, QemuNbd) {
    if (support::find_program("qemu-nbd").empty()) GTEST_SKIP() << "qemu-nbd is not installed";
    const support::Program server(
        {"qemu-nbd", "-t", "-e", "4", "-f", "raw", "-x", "demo", "-k", socket_path(), disk()},
        output());
    const Client::ConnectOptions options = {
        .addresses = {unix_address()}, .export_name = "demo", .wants_block_status = true};
    Client client(loop_);
    ASSERT_TRUE(connect_patiently(client, options));
    EXPECT_TRUE(client.info().has_structured_replies);
    exercise(client);
    expect_map(client);
    EXPECT_TRUE(disconnect(client));
    expect_refusal(options);
    Awaited<Ok> listed;
    client.list(options, listed.callback());
    EXPECT_TRUE(wait(listed));
    ASSERT_EQ(client.listed().size(), 1u);
    EXPECT_EQ(client.listed()[0].name, "demo");
}

TEST_F(ForeignServers, Nbdkit) {
    if (support::find_program("nbdkit").empty()) GTEST_SKIP() << "nbdkit is not installed";
    const support::Program server({"nbdkit", "-f", "-U", socket_path(), "file", disk()}, output());
    const Client::ConnectOptions options = {.addresses = {unix_address()},
                                            .wants_block_status = true};
    Client client(loop_);
    ASSERT_TRUE(connect_patiently(client, options));
    EXPECT_TRUE(client.info().has_structured_replies);
    exercise(client);
    expect_map(client);
    EXPECT_TRUE(disconnect(client));
}

// nbdkit can play servers of the past: no structured replies, and no options but the oldest.
TEST_F(ForeignServers, NbdkitWithoutStructuredReplies) {
    if (support::find_program("nbdkit").empty()) GTEST_SKIP() << "nbdkit is not installed";
    const support::Program server({"nbdkit", "-f", "--no-sr", "-U", socket_path(), "file", disk()},
                                  output());
    Client client(loop_);
    ASSERT_TRUE(
        connect_patiently(client, {.addresses = {unix_address()}, .wants_block_status = true}));
    EXPECT_FALSE(client.info().has_structured_replies);
    EXPECT_FALSE(client.info().has_base_allocation);
    exercise(client);
    EXPECT_TRUE(disconnect(client));
}

TEST_F(ForeignServers, NbdkitOfTheNewstyleThatIsNotFixed) {
    if (support::find_program("nbdkit").empty()) GTEST_SKIP() << "nbdkit is not installed";
    const support::Program server(
        {"nbdkit", "-f", "--mask-handshake=0", "-U", socket_path(), "file", disk()}, output());
    Client client(loop_);
    ASSERT_TRUE(connect_patiently(client, {.addresses = {unix_address()}}));
    exercise(client);
    EXPECT_TRUE(disconnect(client));
}

TEST_F(ForeignServers, NbdkitOfTheOldStyleIsRefusedInWords) {
    if (support::find_program("nbdkit").empty()) GTEST_SKIP() << "nbdkit is not installed";
    const support::Program server({"nbdkit", "-f", "-o", "-U", socket_path(), "file", disk()},
                                  output());
    Client client(loop_);
    const auto is_answered = [&] {
        const Result<Ok> connected = connect(client, {.addresses = {unix_address()}});
        return connected || connected.error().code == ErrorCode::protocol;
    };
    EXPECT_TRUE(support::eventually(is_answered));
    EXPECT_EQ(client.failure_text(),
              "the server speaks the old style of the protocol, which blockd does not");
}

TEST_F(ForeignServers, NbdServer) {
    if (support::find_program("nbd-server").empty()) GTEST_SKIP() << "nbd-server is not installed";
    const std::string port = std::to_string(support::free_tcp_port());
    const support::Program server(
        {"nbd-server", "127.0.0.1@" + port, disk(), "-d", "-C", "/dev/null"}, output());
    const Client::ConnectOptions options = {
        .addresses = {*io::Address::ip("127.0.0.1", uint16_t(std::stoi(port)))}};
    Client client(loop_);
    ASSERT_TRUE(connect_patiently(client, options));
    exercise(client);
    EXPECT_TRUE(disconnect(client));
}

}  // namespace
}  // namespace blockd::client
