// A client and a well-behaved server on one loop.
#include <blockd/client/client.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "client/client_fixture.h"
#include "client/scripted_server.h"

namespace blockd::client {
namespace {

constexpr size_t export_size = 1 << 20;

class MemoryClientTest : public ClientTest {
  protected:
    explicit MemoryClientTest(size_t size = export_size)
        : memory_(size), server_(loop_, socket_path(), memory_.script()) {}

    Client::ConnectOptions options() const {
        return {.addresses = {server_.address()}, .export_name = "demo"};
    }
    std::span<const std::byte> on_disk(uint64_t offset, size_t size) {
        return std::span(memory_.disk()).subspan(offset, size);
    }
    bool is_on_disk(std::span<const std::byte> bytes, uint64_t offset) {
        return std::ranges::equal(bytes, on_disk(offset, bytes.size()));
    }

    MemoryExport memory_;
    ScriptedServer server_;
};

using Connecting = MemoryClientTest;
using Requests = MemoryClientTest;

TEST_F(Connecting, TellsWhatTheServerSaidOfTheExport) {
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.export_name = "";
    options.wants_block_status = true;
    ASSERT_TRUE(connect(client, options)) << client.failure_text();
    const ExportInfo& info = client.info();
    EXPECT_EQ(info.name, "demo");
    EXPECT_EQ(info.description, "In memory");
    EXPECT_EQ(info.size, export_size);
    EXPECT_TRUE((info.flags & nbd::transmission_flag::send_flush) != 0);
    EXPECT_EQ(info.block_size_maximum, nbd::payload_size_max);
    EXPECT_TRUE(info.has_structured_replies);
    EXPECT_TRUE(info.has_base_allocation);
    EXPECT_TRUE(disconnect(client));
    EXPECT_TRUE(run_until([&] { return memory_.has_disconnected(); }));
    EXPECT_EQ(client.failure_text(), "");
}

TEST_F(Connecting, WorksHoweverTheServerCutsItsStream) {
    for (const size_t piece_size : {size_t(1), size_t(7)}) {
        server_.set_piece_size(piece_size);
        Client client(loop_);
        ASSERT_TRUE(connect(client, options()));
        std::array<std::byte, 100> buffer;
        EXPECT_TRUE(read(client, buffer, 1000));
        EXPECT_TRUE(is_on_disk(buffer, 1000));
        EXPECT_TRUE(disconnect(client));
        ASSERT_TRUE(run_until([&] { return !server_.is_connected(); }));
    }
}

TEST_F(Connecting, ListsTheExportsAndCloses) {
    Client client(loop_);
    Awaited<Ok> listed;
    client.list(options(), listed.callback());
    EXPECT_TRUE(wait(listed));
    ASSERT_EQ(client.listed().size(), 1u);
    EXPECT_EQ(client.listed()[0].name, "demo");
    EXPECT_EQ(client.listed()[0].description, "In memory");
    EXPECT_TRUE(run_until([&] { return !server_.is_connected(); }));
}

TEST_F(Connecting, ARefusalIsTheServersAndMayBeFollowedByAnotherTry) {
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.export_name = "nope";
    const Result<Ok> refused = connect(client, options);
    ASSERT_FALSE(bool(refused));
    EXPECT_EQ(refused.error().code, ErrorCode::not_found);
    EXPECT_EQ(client.failure_text(),
              "the server refused export 'nope': no such export (\"no such export\")");
    ASSERT_TRUE(run_until([&] { return !server_.is_connected(); }));
    EXPECT_TRUE(connect(client, this->options()));
    EXPECT_EQ(client.failure_text(), "");
    EXPECT_TRUE(disconnect(client));
}

TEST_F(Connecting, TriesTheAddressesInOrder) {
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.addresses.insert(options.addresses.begin(),
                             *io::Address::unix_path(directory_.file("nobody")));
    EXPECT_TRUE(connect(client, options));
    EXPECT_TRUE(disconnect(client));

    options.addresses.pop_back();
    const Result<Ok> failed = connect(client, options);
    ASSERT_FALSE(bool(failed));
    EXPECT_EQ(failed.error().code, ErrorCode::not_found);
    EXPECT_EQ(client.failure_text(), "there is no socket unix:" + directory_.file("nobody"));

    options.addresses.clear();
    EXPECT_FALSE(bool(connect(client, options)));
    EXPECT_EQ(client.failure_text(), "there is no address to connect to");
}

TEST_F(Connecting, MayBeDestroyedInTheCallbackOfAFailure) {
    struct Owner {
        std::unique_ptr<Client> client;
        bool is_done = false;
        void done(Result<Ok>) {
            client.reset();
            is_done = true;
        }
    };
    for (const std::string_view export_name : {"nope", "\xff"}) {
        Owner owner;
        owner.client = std::make_unique<Client>(loop_);
        Client::ConnectOptions options = this->options();
        options.export_name = export_name;
        owner.client->connect(options, io::bind<&Owner::done>(&owner));
        EXPECT_TRUE(run_until([&] { return owner.is_done; }));
        ASSERT_TRUE(run_until([&] { return !server_.is_connected(); }));
    }
    Owner owner;
    owner.client = std::make_unique<Client>(loop_);
    ASSERT_TRUE(connect(*owner.client, options()));
    owner.client->disconnect(io::bind<&Owner::done>(&owner));
    EXPECT_TRUE(run_until([&] { return owner.is_done; }));
}

TEST_F(Requests, DoWhatTheySay) {
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.wants_block_status = true;
    ASSERT_TRUE(connect(client, options));

    std::vector<std::byte> data(5000, std::byte(0xab));
    EXPECT_TRUE(write(client, data, 777));
    EXPECT_TRUE(is_on_disk(data, 777));
    std::vector<std::byte> buffer(6000);
    EXPECT_TRUE(read(client, buffer, 500));
    EXPECT_TRUE(is_on_disk(buffer, 500));
    EXPECT_TRUE(flush(client));

    Transfer transfer;
    Awaited<Ok> trimmed;
    client.trim(transfer, {.offset = 4096, .size = 512}, trimmed.callback());
    EXPECT_TRUE(wait(trimmed));
    Awaited<Ok> zeroed;
    client.write_zeroes(transfer,
                        {.offset = 8192, .size = 512, .flags = nbd::command_flag::no_hole},
                        zeroed.callback());
    EXPECT_TRUE(wait(zeroed));
    Awaited<Ok> cached;
    client.cache(transfer, {.offset = 0, .size = 512}, cached.callback());
    EXPECT_TRUE(wait(cached));

    std::array<StatusExtent, 8> extents;
    Awaited<uint32_t> status;
    client.block_status(transfer, extents, {.offset = 0, .size = 1024}, status.callback());
    ASSERT_EQ(*wait(status), 2u);
    EXPECT_EQ(extents[0].size, 512u);
    EXPECT_EQ(extents[1].size, 512u) << "cut to what was asked";
    EXPECT_EQ(extents[1].flags, 3u);
    EXPECT_TRUE(disconnect(client));

    using nbd::Command;
    const std::vector<Command> expected = {
        Command::write,        Command::read,  Command::flush,        Command::trim,
        Command::write_zeroes, Command::cache, Command::block_status, Command::disconnect};
    std::vector<Command> commands;
    for (const nbd::Request& request : memory_.requests()) commands.push_back(request.command);
    EXPECT_EQ(commands, expected);
    EXPECT_EQ(memory_.requests()[4].flags, nbd::command_flag::no_hole);
}

// A read of one piece, as many tests submit them by the hundred.
struct Piece {
    Transfer transfer;
    std::vector<std::byte> buffer;
    Awaited<Ok> done;
};

TEST_F(Requests, GoOutTogetherAndUpToTheDepth) {
    constexpr uint32_t depth = 16;
    std::deque<nbd::Request> held;
    size_t held_count_max = 0;
    memory_.intercept([&](ScriptedServer&, const nbd::Request& request, auto) {
        if (request.command != nbd::Command::read) return false;
        held.push_back(request);
        held_count_max = std::max(held_count_max, held.size());
        return true;
    });
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.depth = depth;
    ASSERT_TRUE(connect(client, options));

    std::deque<Piece> pieces(200);
    const uint32_t receives_before = server_.receives_count();
    for (size_t index = 0; index < pieces.size(); ++index) {
        pieces[index].buffer.resize(512);
        client.read(pieces[index].transfer, pieces[index].buffer,
                    {.offset = index * 512, .size = 512}, pieces[index].done.callback());
    }
    ASSERT_TRUE(run_until([&] { return held.size() == depth; }));
    EXPECT_EQ(server_.receives_count(), receives_before + 1) << "one send carried all";

    // Answered in the wrong order, all along.
    size_t answered_count = 0;
    while (answered_count < pieces.size()) {
        ASSERT_TRUE(run_until([&] { return !held.empty(); }));
        memory_.answer(server_, held.back());
        held.pop_back();
        ++answered_count;
    }
    for (size_t index = 0; index < pieces.size(); ++index) {
        EXPECT_TRUE(wait(pieces[index].done));
        EXPECT_TRUE(is_on_disk(pieces[index].buffer, index * 512));
    }
    EXPECT_EQ(held_count_max, depth);
    EXPECT_TRUE(disconnect(client));
}

TEST_F(Requests, MayBeSubmittedInACallback) {
    struct Chain {
        Client& client;
        Transfer transfer;
        std::array<std::byte, 64> buffer;
        uint32_t left;
        void next() {
            client.read(transfer, buffer, {.offset = left, .size = buffer.size()},
                        io::bind<&Chain::done>(this));
        }
        void done(Result<Ok> result) {
            ASSERT_TRUE(bool(result));
            ASSERT_TRUE(transfer.is_idle());
            if (--left > 0) next();
        }
    };
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    Chain chain = {client, {}, {}, 1000};
    chain.next();
    EXPECT_TRUE(run_until([&] { return chain.left == 0; }));
    EXPECT_TRUE(disconnect(client));
}

TEST_F(Requests, DisconnectWaitsForTheAnswers) {
    std::vector<nbd::Request> held;
    memory_.intercept([&](ScriptedServer&, const nbd::Request& request, auto) {
        if (request.command != nbd::Command::write) return false;
        held.push_back(request);
        return true;
    });
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    std::deque<Piece> pieces(10);
    for (Piece& piece : pieces) {
        piece.buffer.resize(512);
        client.write(piece.transfer, piece.buffer, {.offset = 0, .size = 512},
                     piece.done.callback());
    }
    Awaited<Ok> disconnected;
    client.disconnect(disconnected.callback());
    Piece late = {{}, std::vector<std::byte>(8), {}};
    client.read(late.transfer, late.buffer, {.offset = 0, .size = 8}, late.done.callback());
    ASSERT_TRUE(run_until([&] { return held.size() == pieces.size(); }));
    for (uint32_t turn = 0; turn < 20; ++turn) loop_.tick();
    EXPECT_FALSE(disconnected.has_arrived());
    EXPECT_FALSE(memory_.has_disconnected());
    EXPECT_EQ(wait(late.done).error().code, ErrorCode::connection_reset);

    for (const nbd::Request& request : held) {
        memory_.answer(server_, request, std::vector<std::byte>(512));
    }
    for (Piece& piece : pieces) EXPECT_TRUE(wait(piece.done));
    EXPECT_TRUE(wait(disconnected));
    EXPECT_TRUE(memory_.has_disconnected() || run_until([&] { return !server_.is_connected(); }));
    EXPECT_TRUE(memory_.has_disconnected());
}

TEST_F(Requests, AnErrorOfTheServerIsThatRequestsAlone) {
    memory_.intercept([&](ScriptedServer& server, const nbd::Request& request, auto) {
        if (request.offset != 512) return false;
        memory_.answer_error(server, request, nbd::WireError::no_space, "the disk is full");
        return true;
    });
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    std::vector<std::byte> data(512);
    const Result<Ok> failed = write(client, data, 512);
    ASSERT_FALSE(bool(failed));
    EXPECT_EQ(failed.error().code, ErrorCode::no_space);
    EXPECT_EQ(client.failure_text(),
              "the server failed a write of 512 bytes at offset 512: no "
              "space left (\"the disk is full\")");
    EXPECT_TRUE(write(client, data, 1024));
    EXPECT_FALSE(bool(read(client, data, 512)));
    EXPECT_TRUE(read(client, data, 0));
    EXPECT_TRUE(disconnect(client));
}

TEST_F(Requests, WhatCannotBeAskedIsRefusedWithoutTheServer) {
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    std::vector<std::byte> buffer(nbd::payload_size_max + 1);
    EXPECT_EQ(read(client, buffer, 0).error().code, ErrorCode::too_large);
    EXPECT_EQ(write(client, buffer, 0).error().code, ErrorCode::too_large);
    Transfer transfer;
    Awaited<Ok> trimmed;
    client.trim(transfer, {.offset = 0, .size = uint64_t(1) << 32}, trimmed.callback());
    EXPECT_EQ(wait(trimmed).error().code, ErrorCode::too_large);
    std::array<StatusExtent, 1> extents;
    Awaited<uint32_t> status;
    client.block_status(transfer, extents, {.offset = 0, .size = 512}, status.callback());
    EXPECT_EQ(wait(status).error().code, ErrorCode::not_supported);
    EXPECT_TRUE(memory_.requests().empty());
    EXPECT_TRUE(disconnect(client));
}

TEST_F(Requests, FailBeforeAConnectionAndAfterIt) {
    Client client(loop_);
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(read(client, buffer, 0).error().code, ErrorCode::connection_reset);
    EXPECT_TRUE(disconnect(client)) << "nothing to do";
    ASSERT_TRUE(connect(client, options()));
    EXPECT_TRUE(disconnect(client));
    EXPECT_EQ(read(client, buffer, 0).error().code, ErrorCode::connection_reset);
}

// The server answers from the header alone, while the client still sends the payload.
TEST_F(Requests, AnEarlyAnswerLeavesThePayloadAloneUntilItIsSent) {
    constexpr size_t large_size = 16 << 20;
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    ASSERT_TRUE(run_until([&] { return server_.received().empty(); }));
    server_.stop_receiving();
    Piece piece = {{}, std::vector<std::byte>(large_size), {}};
    client.write(piece.transfer, piece.buffer, {.offset = 0, .size = large_size},
                 piece.done.callback());
    // The one receive that was pending brings the header; the export waits for the payload.
    ASSERT_TRUE(run_until([&] { return server_.received().size() > sizeof(nbd::RequestHeader); }));
    const nbd::Request request = **nbd::parse_request(server_.received());
    memory_.answer_error(server_, request, nbd::WireError::not_permitted, "read-only");
    for (uint32_t turn = 0; turn < 200; ++turn) loop_.tick();
    EXPECT_FALSE(piece.done.has_arrived()) << "its buffer is still being sent";
    memory_.intercept(
        [](auto&, const nbd::Request& each, auto) { return each.command == nbd::Command::write; });
    server_.resume_receiving();
    EXPECT_EQ(wait(piece.done).error().code, ErrorCode::permission);
    EXPECT_TRUE(disconnect(client));
}

class LargeRequests : public MemoryClientTest {
  protected:
    LargeRequests() : MemoryClientTest(64 << 20) {}
};

TEST_F(LargeRequests, ComeAndGoWhole) {
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    std::deque<Piece> pieces(8);
    for (size_t index = 0; index < pieces.size(); ++index) {
        Piece& piece = pieces[index];
        piece.buffer.resize(index % 2 == 0 ? nbd::payload_size_max : 5000 + index * 40'000);
        client.read(piece.transfer, piece.buffer,
                    {.offset = index * 1000, .size = piece.buffer.size()}, piece.done.callback());
    }
    for (size_t index = 0; index < pieces.size(); ++index) {
        EXPECT_TRUE(wait(pieces[index].done));
        EXPECT_TRUE(is_on_disk(pieces[index].buffer, index * 1000));
    }
    std::vector<std::byte> data(nbd::payload_size_max, std::byte(0x5a));
    EXPECT_TRUE(write(client, data, 12345));
    EXPECT_TRUE(is_on_disk(data, 12345));
    EXPECT_TRUE(disconnect(client));
}

}  // namespace
}  // namespace blockd::client
