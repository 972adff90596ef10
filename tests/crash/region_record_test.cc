// The judge is judged: what it must let pass, and what it must not.
#include "crash/region_record.h"

#include <gtest/gtest.h>

namespace blockd::crash {
namespace {

constexpr uint64_t region_size = 8 * sector_size;

Change write(uint64_t offset, uint64_t size, char byte) {
    return {.kind = ChangeKind::write,
            .offset = offset,
            .size = size,
            .bytes = std::string(size, byte)};
}

std::string sectors(std::string_view content) {
    std::string bytes;
    for (const char byte : content) bytes += std::string(sector_size, byte == '0' ? '\0' : byte);
    return bytes;
}

TEST(RegionRecord, AnAcknowledgedWriteMustBeThere) {
    RegionRecord record(region_size);
    record.acknowledge(record.begin(write(0, 2 * sector_size, 'a')));
    EXPECT_FALSE(record.judge_found(0, sectors("aa000000")));
    RegionRecord other(region_size);
    other.acknowledge(other.begin(write(0, 2 * sector_size, 'a')));
    const auto violation = other.judge_found(0, sectors("a0000000"));
    ASSERT_TRUE(violation);
    EXPECT_EQ(violation->sector, 1u);
}

TEST(RegionRecord, AnUnansweredWriteMayBeThereSectorBySector) {
    for (const char* const found : {"0000", "aa00", "a000", "0a00"}) {
        RegionRecord record(4 * sector_size);
        record.begin(write(0, 2 * sector_size, 'a'));
        EXPECT_FALSE(record.judge_found(0, sectors(found))) << found;
    }
    for (const char* const found : {"ab00", "aaa0", "000a"}) {
        RegionRecord record(4 * sector_size);
        record.begin(write(0, 2 * sector_size, 'a'));
        EXPECT_TRUE(record.judge_found(0, sectors(found))) << found;
    }
}

TEST(RegionRecord, ATornSectorIsAViolation) {
    RegionRecord record(region_size);
    record.begin(write(0, sector_size, 'a'));
    std::string found = sectors("a0000000");
    found[100] = '\0';
    EXPECT_TRUE(record.judge_found(0, found));
}

TEST(RegionRecord, OverlappingChangesAreDoneInOrder) {
    RegionRecord record(region_size);
    record.begin(write(0, 3 * sector_size, 'a'));
    record.acknowledge(record.begin(write(0, 2 * sector_size, 'b')));
    EXPECT_FALSE(record.judge_found(0, sectors("bba00000")));
    RegionRecord late(region_size);
    const uint64_t first = late.begin(write(0, 3 * sector_size, 'a'));
    late.acknowledge(late.begin(write(0, 2 * sector_size, 'b')));
    late.acknowledge(first);
    EXPECT_TRUE(late.judge_found(0, sectors("aba00000"))) << "the older one came last";
}

TEST(RegionRecord, APartOfASectorKeepsTheRest) {
    RegionRecord record(region_size);
    record.acknowledge(record.begin(write(100, 50, 'a')));
    std::string found(region_size, '\0');
    found.replace(100, 50, std::string(50, 'a'));
    EXPECT_FALSE(record.judge_found(0, found));
    found[99] = 'a';
    EXPECT_TRUE(record.judge_found(0, found));
}

TEST(RegionRecord, ATrimmedSectorIsOldOrZeroAndThenStaysWhatItIs) {
    for (const char* const found : {"aa000000", "00000000", "0a000000"}) {
        RegionRecord record(region_size);
        record.acknowledge(record.begin(write(0, 2 * sector_size, 'a')));
        record.acknowledge(
            record.begin({.kind = ChangeKind::trim, .offset = 0, .size = 2 * sector_size}));
        std::optional<Violation> violation;
        EXPECT_EQ(record.judge_read(0, sectors(found), record.now(), &violation), 8u);
        EXPECT_FALSE(violation) << found;
        EXPECT_FALSE(record.judge_found(0, sectors(found)));
        EXPECT_TRUE(record.judge_found(0, sectors("b0000000")));
    }
    RegionRecord record(region_size);
    record.acknowledge(record.begin(write(0, sector_size, 'a')));
    record.acknowledge(record.begin({.kind = ChangeKind::trim, .offset = 0, .size = sector_size}));
    std::optional<Violation> violation;
    EXPECT_EQ(record.judge_read(0, sectors("a"), record.now(), &violation), 1u);
    EXPECT_TRUE(record.judge_found(0, sectors("00000000"))) << "it was seen to hold its bytes";
}

TEST(RegionRecord, ZeroedSectorsMustBeZeros) {
    RegionRecord record(region_size);
    record.acknowledge(record.begin(write(0, 2 * sector_size, 'a')));
    record.acknowledge(
        record.begin({.kind = ChangeKind::write_zeroes, .offset = 0, .size = sector_size}));
    EXPECT_TRUE(record.judge_found(0, sectors("aa000000")));
    EXPECT_FALSE(record.judge_found(0, sectors("0a000000")) &&
                 record.judge_found(0, sectors("0a000000")));
}

TEST(RegionRecord, AFailedWriteMayBeThereAlsoUnderALaterOne) {
    for (const char* const found : {"b0", "ba"}) {
        RegionRecord record(2 * sector_size);
        const uint64_t failed = record.begin(write(0, 2 * sector_size, 'a'));
        record.fail(failed);
        record.acknowledge(record.begin(write(0, sector_size, 'b')));
        EXPECT_FALSE(record.judge_found(0, sectors(found))) << found;
    }
}

TEST(RegionRecord, WhatALostConnectionLeftMayBeUnderALaterWrite) {
    for (const bool is_there : {false, true}) {
        RegionRecord record(sector_size);
        record.begin(write(0, sector_size, 'a'));
        record.doubt_unanswered();
        record.acknowledge(record.begin(write(0, 100, 'b')));
        std::string found(sector_size, is_there ? 'a' : '\0');
        EXPECT_TRUE(record.judge_found(0, found)) << "the later one is missing";
    }
    for (const bool is_there : {false, true}) {
        RegionRecord record(sector_size);
        record.begin(write(0, sector_size, 'a'));
        record.doubt_unanswered();
        record.acknowledge(record.begin(write(0, 100, 'b')));
        const std::string found =
            std::string(100, 'b') + std::string(sector_size - 100, is_there ? 'a' : '\0');
        EXPECT_FALSE(record.judge_found(0, found));
    }
}

TEST(RegionRecord, AReadBesideAChangeIsNotJudgedButOthersAre) {
    RegionRecord record(region_size);
    const uint64_t before = record.now();
    const uint64_t number = record.begin(write(0, sector_size, 'a'));
    std::optional<Violation> violation;
    EXPECT_EQ(record.judge_read(0, sectors("x0000000"), before, &violation), 7u);
    record.acknowledge(number);
    EXPECT_EQ(record.judge_read(0, sectors("x0000000"), before, &violation), 7u);
    EXPECT_FALSE(violation);
    EXPECT_EQ(record.judge_read(0, sectors("x0000000"), record.now(), &violation), 8u);
    EXPECT_TRUE(violation);
}

TEST(RegionRecord, WhatWasForgottenIsNoLongerPossible) {
    RegionRecord record(region_size);
    record.begin(write(0, sector_size, 'a'));
    EXPECT_FALSE(record.judge_found(0, sectors("00000000")));
    record.forget_unanswered();
    EXPECT_EQ(record.unanswered_count(), 0u);
    EXPECT_TRUE(record.judge_found(0, sectors("a0000000")));
}

}  // namespace
}  // namespace blockd::crash
