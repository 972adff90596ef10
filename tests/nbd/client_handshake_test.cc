#include "nbd/client_handshake.h"

#include <gtest/gtest.h>

#include "nbd/server_negotiation.h"

#include <random>

namespace blockd::nbd {
namespace {

using Goal = ClientHandshake::Goal;
using Status = ClientHandshake::Status;

constexpr std::string_view base_allocation = "base:allocation";

// What a server sends, as a test writes it.
class ServerScript : public WireBuilder {
  public:
    ServerScript& greeting(uint16_t flags = 3) {
        be64(greeting_magic).be64(option_magic).be16(flags);
        return *this;
    }
    ServerScript& reply(Option option, OptionReply type, std::span<const std::byte> data = {}) {
        be64(option_reply_magic).be32(uint32_t(option)).be32(uint32_t(type));
        be32(uint32_t(data.size())).raw(data);
        return *this;
    }
    ServerScript& ack(Option option) { return reply(option, OptionReply::ack); }
    ServerScript& info_export(uint64_t size, uint16_t flags = 1) {
        return reply(Option::go, OptionReply::info, WireBuilder().be16(0).be64(size).be16(flags));
    }
    ServerScript& info_block_size(uint32_t minimum, uint32_t preferred, uint32_t maximum) {
        return reply(Option::go, OptionReply::info,
                     WireBuilder().be16(3).be32(minimum).be32(preferred).be32(maximum));
    }
};

ClientHandshake::Options demo() { return {.export_name = "demo"}; }
ClientHandshake::Options demo_with_context() {
    return {.export_name = "demo", .wants_base_allocation = true};
}
ClientHandshake::Options listing() { return {.goal = Goal::list}; }

// The whole script at once: a server need not wait to be asked.
void play(ClientHandshake& client, std::span<const std::byte> script, size_t piece_size = 1 << 20) {
    while (!script.empty() && client.status() == Status::negotiating) {
        const size_t size = std::min(piece_size, script.size());
        const size_t taken_size = client.feed(script.first(size));
        if (client.status() == Status::negotiating) {
            EXPECT_EQ(taken_size, size);
        }
        script = script.subspan(taken_size);
    }
}

// Our own two halves, talking in pieces of any size until neither has anything to say.
void converse(ClientHandshake& client, ServerHandshake& server, size_t piece_size) {
    bool has_moved = true;
    while (has_moved) {
        has_moved = false;
        const std::span<const std::byte> from_server =
            server.output().first(std::min(piece_size, server.output().size()));
        if (client.status() == Status::negotiating && !from_server.empty()) {
            server.consume_output(client.feed(from_server));
            has_moved = true;
        }
        const std::span<const std::byte> from_client =
            client.output().first(std::min(piece_size, client.output().size()));
        if (server.status() == ServerHandshake::Status::negotiating && !from_client.empty()) {
            client.consume_output(server.feed(from_client));
            has_moved = true;
        }
    }
}

TEST(ClientHandshake, AgreesWithOurServerHoweverTheStreamsAreCut) {
    for (const size_t piece_size : {size_t(1), size_t(2), size_t(5), size_t(19), size_t(4096)}) {
        const TestDirectory directory;
        ServerHandshake server(directory);
        ClientHandshake client(demo_with_context());
        converse(client, server, piece_size);
        ASSERT_EQ(client.status(), Status::transmission) << client.failure_text();
        ASSERT_EQ(server.status(), ServerHandshake::Status::transmission);
        const ClientHandshake::Agreed& agreed = client.agreed();
        EXPECT_EQ(agreed.name, "demo");
        EXPECT_EQ(agreed.description, "A demo");
        EXPECT_EQ(agreed.size, 1u << 20);
        EXPECT_EQ(agreed.flags, server.negotiated().flags);
        EXPECT_EQ(agreed.block_size_minimum, 1u);
        EXPECT_EQ(agreed.block_size_preferred, 4096u);
        EXPECT_EQ(agreed.block_size_maximum, payload_size_max);
        EXPECT_TRUE(agreed.has_structured_replies);
        EXPECT_TRUE(agreed.has_base_allocation);
        EXPECT_TRUE(server.negotiated().has_base_allocation);
        EXPECT_EQ(agreed.base_allocation_id, server.negotiated().base_allocation_id);
    }
}

TEST(ClientHandshake, ListsOurServersExports) {
    const TestDirectory directory;
    ServerHandshake server(directory);
    ClientHandshake client(listing());
    converse(client, server, 7);
    ASSERT_EQ(client.status(), Status::listed);
    ASSERT_EQ(client.listed().size(), 2u);
    EXPECT_EQ(client.listed()[0].name, "demo");
    EXPECT_EQ(client.listed()[0].description, "A demo");
    EXPECT_EQ(client.listed()[1].name, "other");
    EXPECT_EQ(server.status(), ServerHandshake::Status::aborted);
}

TEST(ClientHandshake, TellsWhyAnExportWasRefusedAndTakesItsLeave) {
    const TestDirectory directory;
    ServerHandshake server(directory);
    ClientHandshake client({.export_name = "nope"});
    converse(client, server, 4096);
    EXPECT_EQ(client.status(), Status::refused);
    EXPECT_EQ(client.failure_code(), ErrorCode::not_found);
    EXPECT_EQ(client.failure_text(),
              "the server refused export 'nope': no such export (\"no such export\")");
    EXPECT_EQ(server.status(), ServerHandshake::Status::aborted);
}

TEST(ClientHandshake, NamesEveryReasonToRefuse) {
    const std::pair<OptionReply, ErrorCode> reasons[] = {
        {OptionReply::error_policy, ErrorCode::permission},
        {OptionReply::error_invalid, ErrorCode::invalid},
        {OptionReply::error_platform, ErrorCode::not_supported},
        {OptionReply::error_tls_required, ErrorCode::not_supported},
        {OptionReply::error_unknown, ErrorCode::not_found},
        {OptionReply::error_shutdown, ErrorCode::connection_reset},
        {OptionReply::error_block_size_required, ErrorCode::invalid},
        {OptionReply::error_too_big, ErrorCode::too_large},
        {OptionReply(0x800000ff), ErrorCode::invalid},
    };
    for (const auto& [type, code] : reasons) {
        ClientHandshake client(demo());
        play(client,
             ServerScript().greeting().ack(Option::structured_reply).reply(Option::go, type));
        EXPECT_EQ(client.status(), Status::refused);
        EXPECT_EQ(client.failure_code(), code) << uint32_t(type);
        EXPECT_EQ(client.failure_text().rfind("the server refused export 'demo': ", 0), 0u);
    }
}

TEST(ClientHandshake, AServersWordsAreMadeFitForATerminal) {
    ClientHandshake client(demo());
    play(client, ServerScript()
                     .greeting()
                     .ack(Option::structured_reply)
                     .reply(Option::go, OptionReply::error_policy, bytes_of("\x1b[31mno\n")));
    EXPECT_EQ(client.failure_text(),
              "the server refused export 'demo': its policy forbids it (\"\\x1b[31mno\\x0a\")");
}

TEST(ClientHandshake, FallsBackToExportNameWhereGoIsUnknown) {
    for (const uint16_t server_flags : {uint16_t(1), uint16_t(3)}) {
        ClientHandshake client(demo());
        ServerScript script;
        script.greeting(server_flags)
            .reply(Option::structured_reply, OptionReply::error_unsupported)
            .reply(Option::go, OptionReply::error_unsupported)
            .be64(77 << 10)
            .be16(5);
        if ((server_flags & 2) == 0) script.raw(Bytes(export_name_padding_size));
        play(client, script, 1);
        ASSERT_EQ(client.status(), Status::transmission) << client.failure_text();
        EXPECT_EQ(client.agreed().size, 77u << 10);
        EXPECT_EQ(client.agreed().flags, 5u);
        EXPECT_EQ(client.agreed().name, "demo");
        EXPECT_FALSE(client.agreed().has_structured_replies);
        EXPECT_EQ(client.agreed().block_size_maximum, payload_size_max);
        EXPECT_EQ(hex(client.output().last(20)),
                  "49 48 41 56 45 4f 50 54 00 00 00 01 00 00 00 04 64 65 6d 6f");
    }
}

TEST(ClientHandshake, SpeaksToServersWithoutTheFixedStyle) {
    ClientHandshake client(demo());
    play(client, ServerScript().greeting(0).be64(4096).be16(1).raw(Bytes(124)));
    EXPECT_EQ(client.status(), Status::transmission);
    EXPECT_EQ(hex(client.output()),
              "00 00 00 00 49 48 41 56 45 4f 50 54 00 00 00 01 00 00 00 04 64 65 6d 6f");

    ClientHandshake lister(listing());
    play(lister, ServerScript().greeting(0));
    EXPECT_EQ(lister.status(), Status::refused);
    EXPECT_EQ(lister.failure_text(), "the server is too old to list its exports");
}

TEST(ClientHandshake, DoesWithoutAContextThatTheServerLacks) {
    for (const OptionReply type : {OptionReply::ack, OptionReply::error_unsupported}) {
        ClientHandshake client(demo_with_context());
        play(client, ServerScript()
                         .greeting()
                         .ack(Option::structured_reply)
                         .reply(Option::set_meta_context, type)
                         .info_export(512)
                         .ack(Option::go));
        EXPECT_EQ(client.status(), Status::transmission);
        EXPECT_FALSE(client.agreed().has_base_allocation);
    }
}

TEST(ClientHandshake, IgnoresInformationThatItDoesNotKnow) {
    ClientHandshake client(demo());
    play(client, ServerScript()
                     .greeting()
                     .ack(Option::structured_reply)
                     .reply(Option::go, OptionReply::info, WireBuilder().be16(99).be64(1))
                     .info_export(512)
                     .ack(Option::go));
    EXPECT_EQ(client.status(), Status::transmission);
}

TEST(ClientHandshake, LeavesBytesOfTheTransmissionAlone) {
    ClientHandshake client(demo());
    const Bytes script = ServerScript()
                             .greeting()
                             .ack(Option::structured_reply)
                             .info_export(512)
                             .ack(Option::go)
                             .be32(7)
                             .bytes();
    EXPECT_EQ(client.feed(script), script.size() - 4);
}

TEST(ClientHandshake, BreaksOffOnEveryLie) {
    const Bytes name_ff = WireBuilder().be16(1).text("\xff").bytes();
    const auto go = [] { return ServerScript().greeting().ack(Option::structured_reply); };
    const auto set = [] { return ServerScript().greeting().ack(Option::structured_reply); };
    const std::pair<const char*, Bytes> lies[] = {
        {"not NBD", WireBuilder().text("HTTP/1.1 400 Bad Request\r\n").bytes()},
        {"old style", WireBuilder().be64(greeting_magic).be64(0x00420281861253).be16(0).bytes()},
        {"wrong second magic", WireBuilder().be64(greeting_magic).be64(1).be16(0).bytes()},
        {"wrong reply magic", ServerScript().greeting().raw(Bytes(20)).bytes()},
        {"other option", ServerScript().greeting().ack(Option::go).bytes()},
        {"reply of 16 KiB + 1", ServerScript()
                                    .greeting()
                                    .be64(option_reply_magic)
                                    .be32(8)
                                    .be32(0x80000001)
                                    .be32(option_reply_size_max + 1)
                                    .bytes()},
        {"ack with data", ServerScript()
                              .greeting()
                              .reply(Option::structured_reply, OptionReply::ack, Bytes(1))
                              .bytes()},
        {"info for structured replies",
         ServerScript().greeting().reply(Option::structured_reply, OptionReply::info).bytes()},
        {"unknown reply", go().reply(Option::go, OptionReply(77)).bytes()},
        {"server for go", go().reply(Option::go, OptionReply::server).bytes()},
        {"ack without size", go().ack(Option::go).bytes()},
        {"size twice", go().info_export(1).info_export(2).bytes()},
        {"impossible size", go().info_export(uint64_t(1) << 63).ack(Option::go).bytes()},
        {"info without type", go().reply(Option::go, OptionReply::info, Bytes(1)).bytes()},
        {"short export", go().reply(Option::go, OptionReply::info, Bytes(11)).bytes()},
        {"long export", go().reply(Option::go, OptionReply::info, Bytes(13)).bytes()},
        {"name not UTF-8", go().reply(Option::go, OptionReply::info, name_ff).bytes()},
        {"minimum 0", go().info_block_size(0, 4096, 1 << 20).bytes()},
        {"minimum 3", go().info_block_size(3, 4096, 1 << 20).bytes()},
        {"minimum 128 KiB", go().info_block_size(128 << 10, 128 << 10, 1 << 20).bytes()},
        {"preferred below minimum", go().info_block_size(4096, 512, 1 << 20).bytes()},
        {"maximum below minimum", go().info_block_size(4096, 4096, 512).bytes()},
        {"context of another name", set()
                                        .reply(Option::set_meta_context, OptionReply::meta_context,
                                               WireBuilder().be32(1).text("base:other"))
                                        .bytes()},
        {"context cut off",
         set().reply(Option::set_meta_context, OptionReply::meta_context, Bytes(3)).bytes()},
        {"context twice", set()
                              .reply(Option::set_meta_context, OptionReply::meta_context,
                                     WireBuilder().be32(1).text(base_allocation))
                              .reply(Option::set_meta_context, OptionReply::meta_context,
                                     WireBuilder().be32(2).text(base_allocation))
                              .bytes()},
    };
    for (const auto& [name, script] : lies) {
        const bool is_about_contexts = std::string_view(name).rfind("context", 0) == 0;
        ClientHandshake client(is_about_contexts ? demo_with_context() : demo());
        play(client, script, 3);
        EXPECT_EQ(client.status(), Status::broken) << name;
        EXPECT_EQ(client.failure_code(), ErrorCode::protocol) << name;
        EXPECT_FALSE(client.failure_text().empty()) << name;
    }
}

TEST(ClientHandshake, BreaksOffOnListsThatMakeNoSense) {
    const Bytes entries[] = {
        {},
        WireBuilder().be32(5).text("demo").bytes(),
        WireBuilder().be32(0xffffffff).text("demo").bytes(),
        WireBuilder().sized_text("\xff").bytes(),
        WireBuilder().sized_text("demo").text("\xff").bytes(),
        WireBuilder().sized_text(std::string(string_size_max + 1, 'n')).bytes(),
    };
    for (const Bytes& entry : entries) {
        ClientHandshake client(listing());
        play(client, ServerScript().greeting().reply(Option::list, OptionReply::server, entry));
        EXPECT_EQ(client.status(), Status::broken) << hex(entry);
    }
}

TEST(ClientHandshake, AnswersWithoutEndAreBroken) {
    ClientHandshake client(demo());
    play(client, ServerScript().greeting().ack(Option::structured_reply));
    const Bytes info = ServerScript()
                           .reply(Option::go, OptionReply::info, WireBuilder().be16(1).text("demo"))
                           .bytes();
    uint32_t count = 0;
    while (client.status() == Status::negotiating) {
        play(client, info);
        ASSERT_LE(++count, option_replies_max + 2);
    }
    EXPECT_EQ(client.status(), Status::broken);
    EXPECT_GT(count, option_replies_max);

    ClientHandshake lister(listing());
    play(lister, ServerScript().greeting());
    const std::string longest(string_size_max, 'n');
    const Bytes entry = ServerScript()
                            .reply(Option::list, OptionReply::server,
                                   WireBuilder().sized_text(longest).text(longest))
                            .bytes();
    for (count = 0; lister.status() == Status::negotiating; ++count) {
        ASSERT_LE(count, exports_listed_max);
        play(lister, entry);
    }
    EXPECT_EQ(lister.status(), Status::broken);
    EXPECT_LT(count, exports_listed_max) << "64 MiB of names are enough";
}

TEST(ClientHandshake, AnEarlyEndIsToldApartFromARefusal) {
    const Bytes script = ServerScript()
                             .greeting()
                             .reply(Option::structured_reply, OptionReply::error_unsupported)
                             .reply(Option::go, OptionReply::error_unsupported)
                             .bytes();
    for (size_t cut = 0; cut <= script.size(); ++cut) {
        ClientHandshake client(demo());
        play(client, std::span(script).first(cut));
        client.end_of_stream();
        const bool is_asked_by_name = cut == script.size();
        EXPECT_EQ(client.status(), is_asked_by_name ? Status::refused : Status::broken);
        EXPECT_EQ(client.failure_code(),
                  is_asked_by_name ? ErrorCode::not_found : ErrorCode::connection_reset);
    }
}

TEST(ClientHandshake, RefusesANameThatCannotTravel) {
    for (const std::string& name : {std::string(4097, 'n'), std::string("\xff")}) {
        const ClientHandshake client({.export_name = name});
        EXPECT_EQ(client.status(), Status::refused);
        EXPECT_FALSE(client.failure_text().empty());
    }
}

// The longest output there can be: a server that answers everything before it is asked.
TEST(ClientHandshake, OutputStaysPutEvenWhenNothingOfItIsSent) {
    ClientHandshake client(
        {.export_name = std::string(string_size_max, 'n'), .wants_base_allocation = true});
    play(client, ServerScript().greeting());
    const std::byte* const before = client.output().data();
    play(client, ServerScript()
                     .ack(Option::structured_reply)
                     .ack(Option::set_meta_context)
                     .reply(Option::go, OptionReply::error_unsupported)
                     .be64(512)
                     .be16(1));
    EXPECT_EQ(client.status(), Status::transmission);
    EXPECT_EQ(client.output().data(), before);
    EXPECT_GT(client.output().size(), 3u * string_size_max);
}

TEST(ClientHandshake, SurvivesMutatedServers) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Bytes script = ServerScript()
                             .greeting()
                             .ack(Option::structured_reply)
                             .reply(Option::set_meta_context, OptionReply::meta_context,
                                    WireBuilder().be32(1).text(base_allocation))
                             .ack(Option::set_meta_context)
                             .info_export(1 << 20)
                             .info_block_size(1, 4096, 1 << 25)
                             .ack(Option::go)
                             .bytes();
    size_t failed_count = 0;
    for (uint32_t round = 0; round < 1000; ++round) {
        Bytes bytes = script;
        for (size_t count = 1 + random() % 4; count > 0; --count) {
            bytes[random() % bytes.size()] = std::byte(random());
        }
        ClientHandshake client(demo_with_context());
        play(client, bytes, 1 + random() % 32);
        client.end_of_stream();
        const bool has_failed = client.status() != Status::transmission;
        ASSERT_EQ(client.failure_text().empty(), !has_failed);
        failed_count += has_failed;
    }
    std::printf("seed %llu: %zu of 1000 failed\n", static_cast<unsigned long long>(seed),
                failed_count);
    EXPECT_GT(failed_count, 0u);
}

}  // namespace
}  // namespace blockd::nbd
