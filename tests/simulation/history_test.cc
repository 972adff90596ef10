// The judge of the simulated world, judged: what it must complain of, and what it must not.
#include "simulation/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace blockd::simulation {
namespace {

constexpr uint64_t disk_size = 16'384;
constexpr uint64_t cell_size = 512;
constexpr uint64_t write_size = 2 * cell_size;

class HistoryTest : public ::testing::Test {
  protected:
    WriteId begin(WriteKind kind = WriteKind::data) {
        return history.begin_write(kind, 0, write_size);
    }
    WriteId succeed(WriteKind kind = WriteKind::data) {
        const WriteId id = begin(kind);
        history.write_succeeded(id);
        return id;
    }
    // What a disk shows that holds this write; nullptr: zeros.
    std::vector<std::byte> holding(const WriteId* id) {
        std::vector<std::byte> bytes(disk_size);
        if (id != nullptr) history.fill(*id, std::span(bytes).first(write_size));
        return bytes;
    }
    std::string read(Moment sent, const WriteId* id) {
        const std::vector<std::byte> bytes = holding(id);
        return history.judge_read(sent, 0, std::span(bytes).first(write_size));
    }
    std::string read_now(const WriteId* id) { return read(history.next_moment(), id); }
    std::string crash(Crash kind, const WriteId* id) {
        return history.judge_survivors(kind, holding(id));
    }

    History history{{.disk_size = disk_size, .cell_size = cell_size, .shift = 0}};
};

TEST_F(HistoryTest, AReadMayShowAWriteThatIsOnItsWayOrNot) {
    const WriteId id = begin();
    EXPECT_EQ(read_now(nullptr), "");
    EXPECT_EQ(read_now(&id), "");
}

TEST_F(HistoryTest, AReadShowsAWriteThatWasAnsweredBefore) {
    const WriteId id = succeed();
    EXPECT_EQ(read_now(&id), "");
    EXPECT_NE(read_now(nullptr), "");
}

TEST_F(HistoryTest, AReadThatWasSentBeforeTheAnswerMayMissIt) {
    const WriteId id = begin();
    const Moment sent = history.next_moment();
    history.write_succeeded(id);
    EXPECT_EQ(read(sent, nullptr), "");
}

TEST_F(HistoryTest, WritesThatOverlapInTimeMayEndInEitherOrder) {
    const WriteId first = begin();
    const WriteId second = begin();
    history.write_succeeded(second);
    history.write_succeeded(first);
    EXPECT_EQ(read_now(&first), "");
}

TEST_F(HistoryTest, AnOlderWriteDoesNotComeBack) {
    const WriteId first = succeed();
    const WriteId second = succeed();
    EXPECT_NE(read_now(&first), "");
    EXPECT_EQ(read_now(&second), "");
}

TEST_F(HistoryTest, ReadsThatFollowEachOtherDoNotGoBack) {
    const WriteId first = begin();
    const WriteId second = begin();
    EXPECT_EQ(read_now(&first), "");
    EXPECT_EQ(read_now(&second), "");
    EXPECT_NE(read_now(&first), "");
}

TEST_F(HistoryTest, AFailedWriteMayShowUntilItIsOverwritten) {
    const WriteId failed = begin();
    history.write_settled(failed);
    EXPECT_EQ(read_now(nullptr), "");
    EXPECT_EQ(read_now(&failed), "");
    succeed();
    EXPECT_NE(read_now(&failed), "");
}

TEST_F(HistoryTest, AWriteThatNeverWasWholeNeverShows) {
    const WriteId cut_off = begin();
    history.write_never_arrived(cut_off);
    EXPECT_EQ(read_now(nullptr), "");
    EXPECT_NE(read_now(&cut_off), "");
    EXPECT_NE(crash(Crash::power, &cut_off), "");
}

TEST_F(HistoryTest, BytesThatNobodyWroteAreSeen) {
    const WriteId id = succeed();
    std::vector<std::byte> bytes = holding(&id);
    bytes[cell_size - 1] ^= std::byte(1);
    EXPECT_NE(history.judge_read(history.next_moment(), 0, std::span(bytes).first(write_size)), "");
    // The right write at the wrong place.
    bytes = holding(&id);
    std::swap_ranges(bytes.begin(), bytes.begin() + cell_size, bytes.begin() + cell_size);
    EXPECT_NE(history.judge_read(history.next_moment(), 0, std::span(bytes).first(write_size)), "");
}

TEST_F(HistoryTest, APowerCutMayTakeWhatWasNotFlushed) {
    const WriteId id = succeed();
    EXPECT_EQ(crash(Crash::power, nullptr), "");
    EXPECT_NE(read_now(&id), "") << "and it does not come back";
    EXPECT_EQ(read_now(nullptr), "");
}

TEST_F(HistoryTest, APowerCutTakesNothingThatWasFlushed) {
    succeed();
    const Moment sent = history.next_moment();
    history.flush_succeeded(sent);
    EXPECT_NE(crash(Crash::power, nullptr), "");
}

TEST_F(HistoryTest, AFlushCoversOnlyWhatWasAnsweredBeforeItWasSent) {
    const WriteId id = begin();
    const Moment sent = history.next_moment();
    history.write_succeeded(id);
    history.flush_succeeded(sent);
    EXPECT_EQ(crash(Crash::power, nullptr), "");
}

TEST_F(HistoryTest, APowerCutTakesNothingThatHadFua) {
    const WriteId id = succeed();
    history.write_is_durable(id);
    EXPECT_NE(crash(Crash::power, nullptr), "");
}

TEST_F(HistoryTest, APowerCutMayLeaveALaterWriteThanTheDurableOne) {
    const WriteId durable = succeed();
    history.write_is_durable(durable);
    const WriteId later = begin();
    EXPECT_EQ(crash(Crash::power, &later), "");
}

TEST_F(HistoryTest, TheEndOfAProcessTakesNothingThatWasAnswered) {
    const WriteId id = succeed();
    EXPECT_EQ(crash(Crash::process, &id), "");
    succeed();
    EXPECT_NE(crash(Crash::process, &id), "");
}

TEST_F(HistoryTest, APowerCutAfterTheEndOfAProcessMayStillTakeWhatWasNotFlushed) {
    const WriteId id = succeed();
    EXPECT_EQ(crash(Crash::process, &id), "");
    EXPECT_EQ(crash(Crash::power, nullptr), "");
}

TEST_F(HistoryTest, WhatWasSyncedAfterTheEndOfAProcessSurvives) {
    const WriteId id = succeed();
    EXPECT_EQ(crash(Crash::process, &id), "");
    history.everything_was_synced();
    EXPECT_NE(crash(Crash::power, nullptr), "");
}

TEST_F(HistoryTest, ZeroesAreAWriteAndATrimIsAHint) {
    const WriteId data = succeed();
    succeed(WriteKind::trim);
    EXPECT_EQ(read_now(&data), "");
    EXPECT_EQ(read_now(nullptr), "");
    succeed(WriteKind::zeroes);
    EXPECT_EQ(read_now(nullptr), "");
    EXPECT_NE(read_now(&data), "");
}

TEST_F(HistoryTest, AFailedSyncMayTakeWhatWasNotDurableAndNothingElse) {
    const WriteId durable = succeed();
    history.write_is_durable(durable);
    succeed();
    EXPECT_EQ(history.judge_reverted(0, holding(&durable)), "");
    EXPECT_EQ(read_now(&durable), "");
    EXPECT_NE(history.judge_reverted(0, holding(nullptr)), "");
}

TEST_F(HistoryTest, WhatIsForgottenIsNotJudged) {
    succeed();
    history.forget(0, write_size);
    EXPECT_EQ(read_now(nullptr), "");
}

}  // namespace
}  // namespace blockd::simulation
