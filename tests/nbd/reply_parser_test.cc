#include "nbd/reply_parser.h"

#include <gtest/gtest.h>

#include "nbd/reply.h"
#include "nbd/wire_text.h"

#include <deque>
#include <random>

namespace blockd::nbd {
namespace {

constexpr uint32_t context_id = 9;
constexpr ReplyParser::Options structured = {true, true, context_id};
constexpr ReplyParser::Options simple = {};

// Keeps requests with their memory, and what became of them.
class TestSink final : public ReplySink {
  public:
    struct Entry {
        PendingReply pending;
        Bytes buffer;
        std::vector<StatusExtent> extents;
        bool is_done = false;
        std::string error_text;
    };

    // Cookies are 0, 1, 2, ...
    Entry& ask(Command command, uint64_t offset, uint32_t size, uint16_t flags = 0) {
        Entry& entry = entries_.emplace_back();
        if (command == Command::read) entry.buffer.resize(size, std::byte(0xee));
        if (command == Command::block_status) entry.extents.resize(4);
        entry.pending = {.cookie = entries_.size() - 1,
                         .command = command,
                         .flags = flags,
                         .offset = offset,
                         .size = size,
                         .buffer = entry.buffer.data(),
                         .extents = entry.extents};
        return entry;
    }

    PendingReply* find(uint64_t cookie) override {
        if (cookie >= entries_.size() || entries_[cookie].is_done) return nullptr;
        return &entries_[cookie].pending;
    }
    void reply_done(PendingReply& pending, std::string_view error_text) override {
        Entry& entry = entries_[pending.cookie];
        EXPECT_EQ(&entry.pending, &pending);
        EXPECT_FALSE(entry.is_done);
        entry.is_done = true;
        entry.error_text = error_text;
    }

    Entry& operator[](size_t index) { return entries_[index]; }
    size_t done_count() const {
        size_t count = 0;
        for (const Entry& entry : entries_) count += entry.is_done;
        return count;
    }

  private:
    std::deque<Entry> entries_;  // Entries stay put.
};

// What a server sends, as a test writes it.
class ReplyScript : public WireBuilder {
  public:
    ReplyScript& simple_reply(uint64_t cookie, WireError error = WireError::none) {
        be32(simple_reply_magic).be32(uint32_t(error)).be64(cookie);
        return *this;
    }
    ReplyScript& chunk(ChunkType type, uint64_t cookie, std::span<const std::byte> payload,
                       bool is_last) {
        be32(structured_reply_magic).be16(is_last ? 1 : 0).be16(uint16_t(type)).be64(cookie);
        be32(uint32_t(payload.size())).raw(payload);
        return *this;
    }
    ReplyScript& none(uint64_t cookie) { return chunk(ChunkType::none, cookie, {}, true); }
    ReplyScript& data(uint64_t cookie, uint64_t offset, std::string_view text, bool is_last) {
        return chunk(ChunkType::offset_data, cookie, WireBuilder().be64(offset).text(text),
                     is_last);
    }
    ReplyScript& hole(uint64_t cookie, uint64_t offset, uint32_t size, bool is_last) {
        return chunk(ChunkType::offset_hole, cookie, WireBuilder().be64(offset).be32(size),
                     is_last);
    }
    ReplyScript& error(uint64_t cookie, WireError error, std::string_view text, bool is_last) {
        return chunk(ChunkType::error, cookie,
                     WireBuilder().be32(uint32_t(error)).be16(uint16_t(text.size())).text(text),
                     is_last);
    }
    ReplyScript& status(uint64_t cookie, uint32_t id, std::span<const StatusExtent> extents,
                        bool is_last = true) {
        WireBuilder payload;
        payload.be32(id);
        for (const StatusExtent& extent : extents) payload.be32(extent.size).be32(extent.flags);
        return chunk(ChunkType::block_status, cookie, payload, is_last);
    }
};

Result<Ok> feed(ReplyParser& parser, std::span<const std::byte> bytes, size_t piece_size) {
    for (size_t begin = 0; begin < bytes.size(); begin += piece_size) {
        const size_t size = std::min(piece_size, bytes.size() - begin);
        const Result<Ok> result = parser.feed(bytes.subspan(begin, size));
        if (!result) return result;
    }
    return Ok();
}

// As a connection does: data straight into its place, the rest in pieces.
Result<Ok> receive_directly(ReplyParser& parser, std::span<const std::byte> bytes,
                            size_t piece_size) {
    while (!bytes.empty()) {
        const std::span<std::byte> target = parser.direct_target();
        const size_t size =
            std::min({bytes.size(), piece_size, target.empty() ? bytes.size() : target.size()});
        Result<Ok> result = Ok();
        if (target.empty()) {
            result = parser.feed(bytes.first(size));
        } else {
            std::memcpy(target.data(), bytes.data(), size);
            result = parser.direct_received(size);
        }
        if (!result) return result;
        bytes = bytes.subspan(size);
    }
    return Ok();
}

std::string text_of(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ReplyParser, SimpleRepliesFinishTheirRequests) {
    TestSink sink;
    sink.ask(Command::write, 0, 8);
    sink.ask(Command::read, 100, 4);
    sink.ask(Command::flush, 0, 0);
    ReplyParser parser(sink, simple);
    const Bytes script =
        ReplyScript().simple_reply(2, WireError::io).simple_reply(1).text("abcd").bytes();
    ASSERT_TRUE(parser.feed(script));
    EXPECT_FALSE(sink[0].is_done);
    EXPECT_TRUE(sink[1].is_done);
    EXPECT_EQ(text_of(sink[1].buffer), "abcd");
    EXPECT_EQ(sink[2].pending.error, WireError::io);
}

TEST(ReplyParser, AFailedSimpleReadHasNoData) {
    TestSink sink;
    sink.ask(Command::read, 0, 4);
    sink.ask(Command::read, 0, 4);
    ReplyParser parser(sink, simple);
    ASSERT_TRUE(parser.feed(
        ReplyScript().simple_reply(0, WireError::invalid).simple_reply(1).text("abcd").bytes()));
    EXPECT_EQ(sink[0].pending.error, WireError::invalid);
    EXPECT_EQ(text_of(sink[1].buffer), "abcd");
}

// A conversation with every kind of chunk, interleaved.
void ask_everything(TestSink& sink) {
    sink.ask(Command::read, 1000, 16);
    sink.ask(Command::block_status, 0, 4096);
    sink.ask(Command::write, 0, 8);
    sink.ask(Command::read, 0, 8);
    sink.ask(Command::trim, 0, 8);
    sink.ask(Command::read, 0, 0);
}

Bytes answer_everything() {
    constexpr std::array<StatusExtent, 2> extents = {{{512, 0}, {8192, 3}}};
    return ReplyScript()
        .data(0, 1008, "ijkl", false)
        .status(1, context_id, extents)
        .hole(0, 1012, 4, false)
        .data(3, 0, "01", false)
        .simple_reply(2)
        .error(3, WireError::io, "bad sector", true)
        .chunk(ChunkType::error_offset, 4, WireBuilder().be32(22).be16(2).text("no").be64(77), true)
        .none(5)
        .data(0, 1000, "abcdefgh", true)
        .bytes();
}

void expect_everything(TestSink& sink) {
    ASSERT_EQ(sink.done_count(), 6u);
    EXPECT_EQ(text_of(sink[0].buffer), std::string("abcdefghijkl\0\0\0\0", 16));
    EXPECT_EQ(sink[0].pending.error, WireError::none);
    EXPECT_EQ(sink[1].pending.extents_count, 2u);
    EXPECT_EQ(sink[1].extents[0].size, 512u);
    EXPECT_EQ(sink[1].extents[1].size, 4096u - 512) << "cut to the request";
    EXPECT_EQ(sink[1].extents[1].flags, 3u);
    EXPECT_EQ(sink[2].pending.error, WireError::none);
    EXPECT_EQ(sink[3].pending.error, WireError::io);
    EXPECT_EQ(sink[3].error_text, "bad sector");
    EXPECT_EQ(sink[4].pending.error, WireError::invalid);
    EXPECT_EQ(sink[4].error_text, "no");
    EXPECT_EQ(sink[5].pending.error, WireError::none);
}

TEST(ReplyParser, ReadsAlikeHoweverTheStreamIsCut) {
    const Bytes script = answer_everything();
    for (const auto& way : {feed, receive_directly}) {
        for (const size_t piece_size : {size_t(1), size_t(3), size_t(19), script.size()}) {
            TestSink sink;
            ask_everything(sink);
            ReplyParser parser(sink, structured);
            ASSERT_TRUE(way(parser, script, piece_size)) << parser.failure();
            expect_everything(sink);
        }
        for (size_t cut = 0; cut <= script.size(); ++cut) {
            TestSink sink;
            ask_everything(sink);
            ReplyParser parser(sink, structured);
            ASSERT_TRUE(way(parser, std::span(script).first(cut), script.size()));
            ASSERT_EQ(sink.done_count() == 6, cut == script.size());
            ASSERT_TRUE(way(parser, std::span(script).subspan(cut), script.size()));
            expect_everything(sink);
        }
    }
}

TEST(ReplyParser, DataBelongsStraightIntoTheCallersBuffer) {
    TestSink sink;
    sink.ask(Command::read, 0, 8);
    ReplyParser parser(sink, structured);
    const Bytes script = ReplyScript().data(0, 2, "cdefgh", false).data(0, 0, "ab", true).bytes();
    EXPECT_TRUE(parser.direct_target().empty());
    ASSERT_TRUE(parser.feed(std::span(script).first(sizeof(ChunkHeader) + 8 + 1)));
    EXPECT_EQ(parser.direct_target().data(), sink[0].buffer.data() + 3);
    EXPECT_EQ(parser.direct_target().size(), 5u);
    ASSERT_TRUE(parser.feed(std::span(script).subspan(sizeof(ChunkHeader) + 8 + 1)));
    EXPECT_TRUE(sink[0].is_done);
}

TEST(ReplyParser, ExtentsThatDoNotFitAreDropped) {
    TestSink sink;
    sink.ask(Command::block_status, 0, 4096);
    const std::vector<StatusExtent> extents(8, {512, 0});
    ReplyParser parser(sink, structured);
    ASSERT_TRUE(parser.feed(ReplyScript().status(0, context_id, extents).bytes()));
    EXPECT_EQ(sink[0].pending.extents_count, 4u);
}

TEST(ReplyParser, TheFirstErrorCountsAndItsTextIsKeptToABound) {
    TestSink sink;
    sink.ask(Command::read, 0, 8);
    sink.ask(Command::read, 0, 8);
    ReplyParser parser(sink, structured);
    ASSERT_TRUE(feed(parser,
                     ReplyScript()
                         .error(0, WireError::io, "first", false)
                         .error(0, WireError::no_space, std::string(3000, 'x'), true)
                         .error(1, WireError::no_memory, "", false)
                         .none(1)
                         .bytes(),
                     100));
    EXPECT_EQ(sink[0].pending.error, WireError::io);
    EXPECT_EQ(sink[0].error_text.size(), 256u);
    EXPECT_EQ(sink[1].pending.error, WireError::no_memory);
    EXPECT_EQ(sink[1].error_text, "");
}

// The chunks of several replies may take turns.
TEST(ReplyParser, AnErrorTextBelongsToItsRequestAlone) {
    TestSink sink;
    for (int count = 0; count < 3; ++count) sink.ask(Command::read, 0, 8);
    ReplyParser parser(sink, structured);
    ASSERT_TRUE(feed(parser,
                     ReplyScript()
                         .error(1, WireError::no_space, "", false)
                         .error(0, WireError::io, "of the first", false)
                         .none(1)
                         .error(2, WireError::invalid, "of the third", false)
                         .none(0)
                         .none(2)
                         .bytes(),
                     100));
    EXPECT_EQ(sink[1].error_text, "");
    EXPECT_EQ(sink[0].error_text, "") << "the last text alone is kept, and that is not its own";
    EXPECT_EQ(sink[2].error_text, "of the third");
}

TEST(ReplyParser, AnErrorTextOutlastsTheRepliesOfOthers) {
    TestSink sink;
    sink.ask(Command::write, 0, 8);
    sink.ask(Command::write, 0, 8);
    ReplyParser parser(sink, structured);
    ASSERT_TRUE(feed(parser,
                     ReplyScript()
                         .error(0, WireError::io, "of the first", false)
                         .simple_reply(1, WireError::no_space)
                         .none(0)
                         .bytes(),
                     100));
    EXPECT_EQ(sink[1].error_text, "");
    EXPECT_EQ(sink[0].error_text, "of the first");
}

struct Lie {
    const char* name;
    ReplyParser::Options options;
    Bytes script;
};

// 0: read of 16 at 1000. 1: block status of 4096. 2: write. 3: the same with REQ_ONE.
void expect_failure(const Lie& lie) {
    for (const auto& way : {feed, receive_directly}) {
        TestSink sink;
        sink.ask(Command::read, 1000, 16);
        sink.ask(Command::block_status, 0, 4096);
        sink.ask(Command::write, 0, 8);
        sink.ask(Command::block_status, 0, 4096, command_flag::request_one);
        ReplyParser parser(sink, lie.options);
        const Result<Ok> result = way(parser, lie.script, 5);
        ASSERT_FALSE(bool(result)) << lie.name;
        EXPECT_EQ(result.error().code, ErrorCode::protocol);
        EXPECT_EQ(std::string_view(parser.failure()).rfind("it ", 0), 0u) << lie.name;
    }
}

ReplyScript script() { return {}; }

TEST(ReplyParser, FailsOnEveryLieAboutWhoIsAnswered) {
    const Lie lies[] = {
        {"wrong magic", structured, script().be32(0x12345678).bytes()},
        {"a request's magic", structured, script().be32(request_magic).bytes()},
        {"structured, not agreed", simple, script().none(2).bytes()},
        {"simple for a read", structured, script().simple_reply(0).bytes()},
        {"simple for a failed read", structured, script().simple_reply(0, WireError::io).bytes()},
        {"simple for a block status", structured, script().simple_reply(1).bytes()},
        {"unknown cookie, simple", simple, script().simple_reply(99).bytes()},
        {"unknown cookie, chunk", structured, script().none(99).bytes()},
        {"answered twice", simple, script().simple_reply(2).simple_reply(2).bytes()},
        {"none with payload", structured,
         script().chunk(ChunkType::none, 2, Bytes(1), true).bytes()},
        {"none that is not last", structured,
         script().chunk(ChunkType::none, 2, {}, false).bytes()},
        {"unknown chunk", structured, script().chunk(ChunkType(6), 2, {}, true).bytes()},
    };
    for (const Lie& lie : lies) expect_failure(lie);
}

TEST(ReplyParser, FailsOnEveryLieAboutARead) {
    const std::array<StatusExtent, 1> whole = {{{4096, 0}}};
    const std::string big(4096, 'x');
    const Lie lies[] = {
        {"data for a write", structured, script().data(2, 0, "x", true).bytes()},
        {"hole for a write", structured, script().hole(2, 0, 1, true).bytes()},
        {"status for a read", structured, script().status(0, context_id, whole).bytes()},
        {"status, not agreed", {true, false, 0}, script().status(1, context_id, whole).bytes()},
        {"data before the read", structured, script().data(0, 999, "x", true).bytes()},
        {"data after the read", structured, script().data(0, 1016, "x", true).bytes()},
        {"data too long", structured, script().data(0, 1000, big, true).bytes()},
        {"data that wraps", structured, script().data(0, ~uint64_t(0), "xx", true).bytes()},
        {"data chunk of nothing", structured, script().data(0, 1000, "", true).bytes()},
        {"data chunk without offset", structured,
         script().chunk(ChunkType::offset_data, 0, Bytes(7), true).bytes()},
        {"data twice", structured,
         script().data(0, 1000, "abcd", false).data(0, 1003, "x", false).bytes()},
        {"hole over data", structured,
         script().data(0, 1000, "abcd", false).hole(0, 1000, 16, true).bytes()},
        {"hole of nothing", structured, script().hole(0, 1000, 0, true).bytes()},
        {"hole too long", structured, script().hole(0, 1000, 17, true).bytes()},
        {"hole of 4 GiB", structured, script().hole(0, 1000, ~0u, true).bytes()},
        {"hole chunk too short", structured,
         script().chunk(ChunkType::offset_hole, 0, Bytes(11), true).bytes()},
        {"a part left out", structured, script().data(0, 1000, "abcd", true).bytes()},
        {"all left out", structured, script().none(0).bytes()},
    };
    for (const Lie& lie : lies) expect_failure(lie);
}

TEST(ReplyParser, FailsOnEveryLieAboutAStatusOrAnError) {
    const std::array<StatusExtent, 1> whole = {{{4096, 0}}};
    const std::array<StatusExtent, 2> past_end = {{{4096, 0}, {1, 0}}};
    const std::array<StatusExtent, 2> empty_extent = {{{512, 0}, {0, 0}}};
    const std::array<StatusExtent, 1> too_long = {{{4097, 0}}};
    const std::array<StatusExtent, 2> two = {{{512, 0}, {512, 0}}};
    const Lie lies[] = {
        {"no status", structured, script().none(1).bytes()},
        {"unknown context", structured, script().status(1, context_id + 1, whole).bytes()},
        {"status twice", structured,
         script().status(1, context_id, whole, false).status(1, context_id, whole).bytes()},
        {"status past the request", structured, script().status(1, context_id, past_end).bytes()},
        {"status of nothing", structured, script().status(1, context_id, empty_extent).bytes()},
        {"status without extents", structured, script().status(1, context_id, {}).bytes()},
        {"status of a wrong size", structured,
         script().chunk(ChunkType::block_status, 1, Bytes(13), true).bytes()},
        {"status of 2^20 + 1 extents", structured,
         script()
             .be32(structured_reply_magic)
             .be16(1)
             .be16(5)
             .be64(1)
             .be32(4 + 8 * (block_descriptors_max + 1))
             .bytes()},
        {"one extent, too long", structured, script().status(3, context_id, too_long).bytes()},
        {"two instead of one", structured, script().status(3, context_id, two).bytes()},
        {"error too short", structured,
         script().chunk(ChunkType::error, 2, Bytes(5), true).bytes()},
        {"error without error", structured, script().error(2, WireError::none, "", true).bytes()},
        {"error text too long", structured,
         script()
             .chunk(ChunkType::error, 2, WireBuilder().be32(5).be16(3).text("ab"), true)
             .bytes()},
    };
    for (const Lie& lie : lies) expect_failure(lie);
}

TEST(ReplyParser, ScatteredPiecesAreTakenUpToABound) {
    TestSink sink;
    sink.ask(Command::read, 0, 100);
    ReplyParser parser(sink, structured);
    for (uint32_t index = 0; index < CoveredRanges::ranges_max; ++index) {
        ASSERT_TRUE(parser.feed(ReplyScript().data(0, 2 * index, "x", false).bytes()));
    }
    EXPECT_FALSE(parser.feed(ReplyScript().data(0, 90, "x", false).bytes()));
}

TEST(ReplyParser, ReadsWhatOurServerWrites) {
    TestSink sink;
    sink.ask(Command::read, 0, 1024);
    sink.ask(Command::block_status, 0, 1024);
    sink.ask(Command::write, 0, 8);
    ReplyHead head;
    WireBuilder stream;
    write_offset_hole_chunk(head, {0, 0, 512, ChunkPosition::more_follow});
    stream.raw(head.span());
    write_offset_data_chunk(head, {0, 512, 512, ChunkPosition::last});
    stream.raw(head.span()).raw(Bytes(512, std::byte(7)));
    write_block_status_chunk(head, 1, context_id, 1);
    stream.raw(head.span()).raw(bytes_of(BlockDescriptor{1024, 3}));
    write_error_chunk(head, 2, WireError::not_permitted, "read-only");
    stream.raw(head.span());
    ReplyParser parser(sink, structured);
    ASSERT_TRUE(feed(parser, stream, 9)) << parser.failure();
    EXPECT_EQ(sink.done_count(), 3u);
    EXPECT_EQ(sink[0].buffer[511], std::byte(0));
    EXPECT_EQ(sink[0].buffer[512], std::byte(7));
    EXPECT_EQ(sink[2].error_text, "read-only");
}

TEST(ReplyParser, SurvivesMutatedStreams) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Bytes script = answer_everything();
    size_t failed_count = 0;
    for (uint32_t round = 0; round < 1000; ++round) {
        Bytes bytes = script;
        for (size_t count = 1 + random() % 4; count > 0; --count) {
            bytes[random() % bytes.size()] = std::byte(random());
        }
        TestSink sink;
        ask_everything(sink);
        ReplyParser parser(sink, structured);
        const bool has_failed = !receive_directly(parser, bytes, 1 + random() % 32);
        ASSERT_EQ(*parser.failure() != '\0', has_failed);
        failed_count += has_failed;
    }
    std::printf("seed %llu: %zu of 1000 failed\n", static_cast<unsigned long long>(seed),
                failed_count);
    EXPECT_GT(failed_count, 0u);
}

}  // namespace
}  // namespace blockd::nbd
