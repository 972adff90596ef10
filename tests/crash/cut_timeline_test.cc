#include "crash/cut_timeline.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/wire_format.h"

namespace blockd::crash {
namespace {

using support::RecordedEvent;
using support::RecordedKind;
using support::WireBytes;

// The greeting, and the answers to a GO: an information, and the end.
std::string handshake() {
    WireBytes bytes;
    bytes.raw(std::string(18, 'g'));
    bytes.u64(support::wire::option_reply_magic).u32(support::wire::opt_go);
    bytes.u32(support::wire::rep_info).u32(12).raw(std::string(12, 'i'));
    bytes.u64(support::wire::option_reply_magic).u32(support::wire::opt_go);
    bytes.u32(support::wire::rep_ack).u32(0);
    return bytes.bytes();
}

std::string reply(uint64_t cookie, uint32_t error = 0) {
    return WireBytes().u32(support::wire::simple_reply_magic).u32(error).u64(cookie).bytes();
}

class RecordMaker {
  public:
    RecordMaker() {
        add({.kind = RecordedKind::file, .file = 5, .payload = "disk"});
        add({.kind = RecordedKind::connected, .file = 9});
        send(1, handshake());
        done(1, static_cast<int64_t>(handshake().size()));
    }
    // Returns its place.
    uint64_t add(RecordedEvent event) {
        record_.events.push_back(std::move(event));
        return record_.events.size() - 1;
    }
    uint64_t send(uint64_t operation, const std::string& bytes) {
        return add({.kind = RecordedKind::send,
                    .operation = operation,
                    .file = 9,
                    .size = bytes.size(),
                    .pieces = {{.size = bytes.size(), .bytes = bytes}}});
    }
    uint64_t done(uint64_t operation, int64_t result) {
        return add({.kind = RecordedKind::done, .operation = operation, .result = result});
    }
    Timeline timeline() const { return timeline_of(record_, "disk", 3); }

    support::Record record_;
};

TEST(Timeline, PairsOperationsWithTheirEnds) {
    RecordMaker maker;
    const uint64_t write = maker.add({.kind = RecordedKind::write,
                                      .operation = 2,
                                      .file = 5,
                                      .offset = 512,
                                      .size = 4,
                                      .payload = "data"});
    const uint64_t punch = maker.add(
        {.kind = RecordedKind::punch_hole, .operation = 3, .file = 5, .offset = 0, .size = 8});
    maker.add({.kind = RecordedKind::write, .operation = 4, .file = 6, .size = 1, .payload = "x"});
    const uint64_t failed = maker.done(3, -5);
    const uint64_t written = maker.done(2, 4);
    const uint64_t sync = maker.add({.kind = RecordedKind::sync, .operation = 5, .file = 5});
    const uint64_t synced = maker.done(5, 0);
    maker.add({.kind = RecordedKind::sync, .operation = 6, .file = 5});
    maker.done(6, -5);
    const Timeline timeline = maker.timeline();
    EXPECT_EQ(timeline.fault, "");
    ASSERT_EQ(timeline.changes.size(), 2u);
    EXPECT_EQ(timeline.changes[0].submitted, write);
    EXPECT_EQ(timeline.changes[0].completed, written);
    EXPECT_EQ(timeline.changes[0].data, "data");
    EXPECT_FALSE(timeline.changes[0].has_failed);
    EXPECT_EQ(timeline.changes[1].submitted, punch);
    EXPECT_EQ(timeline.changes[1].completed, failed);
    EXPECT_TRUE(timeline.changes[1].data.empty());
    EXPECT_TRUE(timeline.changes[1].has_failed);
    ASSERT_EQ(timeline.syncs.size(), 2u);
    EXPECT_EQ(timeline.syncs[0].submitted, sync);
    EXPECT_EQ(timeline.syncs[0].completed, synced);
    EXPECT_EQ(timeline.syncs[1].completed, never) << "a sync that failed keeps nothing";
}

TEST(Timeline, AnAnswerCountsFromItsSendOnAndNotTwice) {
    RecordMaker maker;
    const uint64_t first = maker.send(2, reply(2) + reply(1).substr(0, 7));
    maker.done(2, 5);
    const uint64_t rest = (reply(2) + reply(1)).size() - 5;
    const uint64_t second = maker.send(3, (reply(2) + reply(1)).substr(5, rest));
    maker.done(3, static_cast<int64_t>(rest));
    maker.send(4, reply(3, 5));
    const Timeline timeline = maker.timeline();
    EXPECT_EQ(timeline.fault, "");
    EXPECT_EQ(timeline.answers, (std::vector<uint64_t>{second, first, never}));
}

TEST(Timeline, ASocketsNumberMayComeAgain) {
    RecordMaker maker;
    maker.send(2, reply(1).substr(0, 3));
    maker.add({.kind = RecordedKind::closed, .file = 9});
    maker.add({.kind = RecordedKind::connected, .file = 9});
    const uint64_t place = maker.send(3, handshake() + reply(2));
    EXPECT_EQ(maker.timeline().fault, "");
    EXPECT_EQ(maker.timeline().answers, (std::vector<uint64_t>{never, place, never}));
}

TEST(Timeline, WhatItCannotUnderstandIsAFault) {
    RecordMaker stranger;
    stranger.send(2, reply(4));
    EXPECT_EQ(stranger.timeline().fault, "a reply to nobody");
    RecordMaker structured;
    structured.send(2,
                    WireBytes().u32(support::wire::structured_reply_magic).u32(0).u64(1).bytes());
    EXPECT_EQ(structured.timeline().fault, "a reply is no simple one");
    RecordMaker cut;
    cut.add({.kind = RecordedKind::send,
             .operation = 2,
             .file = 9,
             .size = 5000,
             .pieces = {{.size = 5000, .bytes = "known"}}});
    EXPECT_EQ(cut.timeline().fault, "a send is not recorded in full");
    EXPECT_EQ(timeline_of({}, "disk", 1).fault, "the export is not in it");
    EXPECT_EQ(timeline_of({.fault = "broken"}, "disk", 1).fault, "broken");
}

}  // namespace
}  // namespace blockd::crash
