// Servers that lie, hang up and fall silent.
#include <blockd/client/client.h>

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "client/client_fixture.h"
#include "client/scripted_server.h"
#include "nbd/reply.h"
#include "nbd/wire_bytes.h"

namespace blockd::client {
namespace {

class BrokenServer : public ClientTest {
  protected:
    BrokenServer()
        : memory_(1 << 20), server_(loop_, socket_path(), [this](ScriptedServer&) { play(); }) {}

    // Plays the export, unless the test has given a script of its own.
    void play() {
        if (script_) return script_(server_);
        memory_(server_);
    }

    Client::ConnectOptions options() const {
        return {.addresses = {server_.address()}, .export_name = "demo"};
    }

    // Answers every read with these bytes.
    void answer_reads(std::function<Bytes(const nbd::Request&)> answer) {
        memory_.intercept([answer = std::move(answer)](ScriptedServer& server,
                                                       const nbd::Request& request, auto) {
            if (request.command != nbd::Command::read) return false;
            server.send(answer(request));
            return true;
        });
    }

    // A read that breaks the connection, what it fails with, and that all is over then.
    ErrorCode break_with_read(Client& client) {
        std::vector<std::byte> buffer(512);
        const Result<Ok> broken = read(client, buffer, 0);
        EXPECT_FALSE(bool(broken));
        EXPECT_NE(client.failure_text(), "");
        const Result<Ok> later = read(client, buffer, 0);
        EXPECT_FALSE(bool(later));
        EXPECT_EQ(later.error().code, broken.error().code);
        const Result<Ok> disconnected = disconnect(client);
        EXPECT_FALSE(bool(disconnected));
        EXPECT_EQ(disconnected.error().code, broken.error().code);
        return broken.error().code;
    }

    ScriptedServer::Script script_;
    MemoryExport memory_;
    ScriptedServer server_;
};

TEST_F(BrokenServer, GarbageInsteadOfAGreetingIsAProtocolError) {
    script_ = [](ScriptedServer& server) {
        if (server.received().empty()) server.send(nbd::bytes_of("220 mail.example.org ESMTP\r\n"));
    };
    Client client(loop_);
    const Result<Ok> failed = connect(client, options());
    ASSERT_FALSE(bool(failed));
    EXPECT_EQ(failed.error().code, ErrorCode::protocol);
    EXPECT_EQ(client.failure_text(), "this is not an NBD server");
}

TEST_F(BrokenServer, HangingUpDuringTheNegotiationIsTold) {
    script_ = [](ScriptedServer& server) { server.hang_up(); };
    Client client(loop_);
    const Result<Ok> failed = connect(client, options());
    ASSERT_FALSE(bool(failed));
    EXPECT_EQ(failed.error().code, ErrorCode::connection_reset);
    EXPECT_EQ(client.failure_text(), "the server closed the connection during the negotiation");
}

TEST_F(BrokenServer, SilenceEndsAtTheTimeout) {
    script_ = [](ScriptedServer&) {};
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.timeout_ns = 20'000'000;
    const Result<Ok> failed = connect(client, options);
    ASSERT_FALSE(bool(failed));
    EXPECT_EQ(failed.error().code, ErrorCode::timed_out);
    EXPECT_EQ(client.failure_text(), "the negotiation took longer than 20 ms");
}

TEST_F(BrokenServer, TheTimeoutCoversTheWholeNegotiation) {
    // The server greets, takes the options, and never answers one.
    script_ = [](ScriptedServer& server) {
        if (!server.received().empty()) return;
        server.send(nbd::bytes_of(nbd::Greeting{nbd::greeting_magic, nbd::option_magic, 3}));
    };
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.timeout_ns = 20'000'000;
    EXPECT_EQ(connect(client, options).error().code, ErrorCode::timed_out);
}

TEST_F(BrokenServer, AnExportOfAnImpossibleSizeIsALie) {
    memory_.size_override = ~uint64_t(0);
    Client client(loop_);
    EXPECT_EQ(connect(client, options()).error().code, ErrorCode::protocol);
    EXPECT_EQ(client.failure_text(), "the server claims an impossible size");
}

TEST_F(BrokenServer, RepliesBeforeAnyRequestAreALie) {
    bool has_lied = false;
    script_ = [this, &has_lied](ScriptedServer& server) {
        memory_(server);
        if (!memory_.has_negotiated() || has_lied) return;
        has_lied = true;
        nbd::ReplyHead head;
        nbd::write_simple_reply(head, 0, nbd::WireError::none);
        server.send(head.span());
    };
    Client client(loop_);
    Awaited<Ok> connected;
    client.connect(options(), connected.callback());
    ASSERT_TRUE(wait(connected)) << "GO was acknowledged";
    EXPECT_EQ(break_with_read(client), ErrorCode::protocol);
}

TEST_F(BrokenServer, LiesAboutAReadBreakTheConnection) {
    const auto chunk = [](uint64_t cookie, uint64_t offset, uint32_t size) {
        nbd::ReplyHead head;
        nbd::write_offset_data_chunk(head, {.cookie = cookie,
                                            .offset = offset,
                                            .size = size,
                                            .position = nbd::ChunkPosition::last});
        Bytes bytes(head.span().begin(), head.span().end());
        bytes.resize(bytes.size() + size);
        return bytes;
    };
    const std::function<Bytes(const nbd::Request&)> lies[] = {
        [](const nbd::Request&) { return Bytes(64); },
        [&](const nbd::Request& request) { return chunk(request.cookie + 1, 0, 512); },
        [&](const nbd::Request& request) { return chunk(request.cookie ^ 1, 0, 512); },
        [&](const nbd::Request& request) { return chunk(request.cookie, 1, 512); },
        [&](const nbd::Request& request) { return chunk(request.cookie, 0, 511); },
        [&](const nbd::Request& request) { return chunk(request.cookie, 0, 513); },
        [&](const nbd::Request& request) { return chunk(request.cookie, 0, 1 << 20); },
    };
    for (const auto& lie : lies) {
        answer_reads(lie);
        Client client(loop_);
        ASSERT_TRUE(connect(client, options()));
        EXPECT_EQ(break_with_read(client), ErrorCode::protocol);
        EXPECT_EQ(client.failure_text().rfind("the server broke the protocol: it ", 0), 0u);
        ASSERT_TRUE(run_until([&] { return !server_.is_connected(); }));
    }
}

TEST_F(BrokenServer, AnAnswerThatComesTwiceBreaksTheConnection) {
    memory_.intercept([this](ScriptedServer& server, const nbd::Request& request, auto) {
        if (request.command != nbd::Command::read) return false;
        memory_.answer(server, request);
        memory_.answer(server, request);
        return true;
    });
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    std::vector<std::byte> buffer(512);
    EXPECT_TRUE(read(client, buffer, 0));
    EXPECT_EQ(break_with_read(client), ErrorCode::protocol);
}

TEST_F(BrokenServer, HangingUpFailsEveryRequestOnceAndAllLaterOnes) {
    // Dies in the middle of the third answer.
    uint32_t reads_count = 0;
    memory_.intercept([&](ScriptedServer& server, const nbd::Request& request, auto) {
        if (request.command != nbd::Command::read) return false;
        if (++reads_count < 3) return false;
        if (reads_count > 3) return true;
        nbd::ReplyHead head;
        nbd::write_offset_data_chunk(head, {.cookie = request.cookie,
                                            .offset = request.offset,
                                            .size = request.size,
                                            .position = nbd::ChunkPosition::last});
        server.send(head.span());
        server.send(Bytes(request.size / 2));
        server.hang_up();
        return true;
    });
    Client client(loop_);
    Client::ConnectOptions options = this->options();
    options.depth = 8;
    ASSERT_TRUE(connect(client, options));
    struct Piece {
        Transfer transfer;
        std::vector<std::byte> buffer = std::vector<std::byte>(100'000);
        Awaited<Ok> done;
    };
    std::deque<Piece> pieces(20);
    for (Piece& piece : pieces) {
        client.read(piece.transfer, piece.buffer, {.offset = 0, .size = piece.buffer.size()},
                    piece.done.callback());
    }
    size_t succeeded_count = 0;
    for (Piece& piece : pieces) {
        const Result<Ok> result = wait(piece.done);
        succeeded_count += bool(result);
        if (!result) {
            EXPECT_EQ(result.error().code, ErrorCode::connection_reset);
        }
    }
    EXPECT_EQ(succeeded_count, 2u);
    EXPECT_EQ(break_with_read(client), ErrorCode::connection_reset);
}

TEST_F(BrokenServer, HangingUpWhileAWriteIsSentFailsIt) {
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    server_.stop_receiving();
    Transfer transfer;
    Awaited<Ok> written;
    const std::vector<std::byte> data(32 << 20);
    client.write(transfer, data, {.offset = 0, .size = data.size()}, written.callback());
    ASSERT_TRUE(run_until([&] { return !server_.received().empty(); }));
    server_.hang_up();
    EXPECT_EQ(wait(written).error().code, ErrorCode::connection_reset);
    EXPECT_FALSE(bool(disconnect(client)));
}

// A caller that tries again and again in its callbacks is called back as often, and no loop spins.
TEST_F(BrokenServer, RequestsSubmittedAsOthersFailFailToo) {
    struct Stubborn {
        Client& client;
        Transfer transfer;
        uint32_t failures_count = 0;
        void next() { client.flush(transfer, io::bind<&Stubborn::done>(this)); }
        void done(Result<Ok> result) {
            EXPECT_FALSE(bool(result));
            if (++failures_count < 50) next();
        }
    };
    memory_.intercept([](ScriptedServer& server, const nbd::Request&, auto) {
        server.hang_up();
        return true;
    });
    Client client(loop_);
    ASSERT_TRUE(connect(client, options()));
    Stubborn stubborn = {client, {}};
    stubborn.next();
    EXPECT_TRUE(run_until([&] { return stubborn.failures_count == 50; }));
    EXPECT_FALSE(bool(disconnect(client)));
}

}  // namespace
}  // namespace blockd::client
