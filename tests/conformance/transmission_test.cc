// Valid commands, each for what it must do to the data.
#include <gtest/gtest.h>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

using Transmission = DaemonTest;

bool is_zero(const std::string& bytes) {
    return bytes.find_first_not_of('\0') == std::string::npos;
}

TEST_F(Transmission, Case48FlagsTellWhatTheExportCan) {
    WireClient simple = connect();
    const uint16_t flags = simple.attach("disk").flags;
    constexpr uint16_t expected = wire::has_flags | wire::send_flush | wire::send_fua |
                                  wire::send_trim | wire::send_write_zeroes | wire::can_multi_conn;
    EXPECT_EQ(flags & expected, expected);
    EXPECT_EQ(flags & wire::read_only, 0);
    EXPECT_EQ(flags & wire::send_df, 0) << "not without structured replies";
    WireClient structured = connect();
    EXPECT_EQ(structured.attach_structured("disk").flags, flags | wire::send_df);
}

TEST_F(Transmission, Case48ReadOnlyExportOffersNoWrites) {
    WireClient client = connect();
    const uint16_t flags = client.attach("fixed").flags;
    EXPECT_EQ(flags & (wire::has_flags | wire::read_only), wire::has_flags | wire::read_only);
    EXPECT_EQ(flags & (wire::send_trim | wire::send_write_zeroes | wire::send_fast_zero), 0);
}

TEST_F(Transmission, Case49UnalignedWriteLeavesItsNeighbours) {
    const std::string before = pattern(32768, 1);
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, before).is_ok());
    struct Piece {
        uint64_t offset;
        uint64_t size;
    };
    const std::vector<Piece> pieces = {{1, 3},       {0, 1},        {4095, 2},    {511, 1},
                                       {4096, 4096}, {4097, 4094},  {8191, 4098}, {12288, 512},
                                       {20000, 1},   {20001, 9000}, {32767, 1}};
    std::string expected = before;
    uint32_t seed = 2;
    for (const auto& [offset, size] : pieces) {
        const std::string data = pattern(size, seed++);
        EXPECT_TRUE(client.write(offset, data).is_ok()) << offset;
        expected.replace(offset, size, data);
        EXPECT_TRUE(client.read(offset, static_cast<uint32_t>(size)).data == data) << offset;
        EXPECT_TRUE(client.read(0, 32768).data == expected) << offset << " + " << size;
    }
    EXPECT_TRUE(client.flush().is_ok());
    EXPECT_TRUE(read_file(file("disk"), 0, 32768) == expected);
    EXPECT_EQ(file_size(file("disk")), disk_size);
}

TEST_F(Transmission, Case49LastByteOfTheExportIsThere) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(disk_size - 1, "z").is_ok());
    EXPECT_EQ(client.read(disk_size - 1, 1).data, "z");
    EXPECT_TRUE(client.read(disk_size - 4096, 4096).data == std::string(4095, '\0') + "z");
}

TEST_F(Transmission, ExportWhoseSizeIsNoMultipleOfABlockServesItsLastBytes) {
    const uint64_t size = mebibyte + 777;
    add_export("odd", size);
    start();
    WireClient client = connect();
    EXPECT_EQ(client.attach("odd").size, size);
    const std::string data = pattern(1500, 4);
    EXPECT_TRUE(client.write(size - 1500, data).is_ok());
    EXPECT_TRUE(client.read(size - 1500, 1500).data == data);
    EXPECT_TRUE(client.write_zeroes(size - 10, 10).is_ok());
    EXPECT_TRUE(client.read(size - 1500, 1500).data ==
                data.substr(0, 1490) + std::string(10, '\0'));
    EXPECT_EQ(client.read(size - 1, 2).error, wire::einval);
    EXPECT_EQ(client.write(size - 1, "ab").error, wire::enospc);
    EXPECT_EQ(file_size(file("odd")), size);
}

TEST_F(Transmission, Case50ReadsAndWrites32MiB) {
    const std::string data = pattern(32 * mebibyte, 5);
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, data).is_ok());
    EXPECT_TRUE(client.read(0, 32 * mebibyte).data == data);
    EXPECT_TRUE(client.write(mebibyte + 1, data).is_ok()) << "at any offset";
    EXPECT_TRUE(client.read(mebibyte + 1, 32 * mebibyte).data == data);
    WireClient structured = attach_structured();
    EXPECT_TRUE(structured.read(mebibyte + 1, 32 * mebibyte).data == data);
}

TEST_F(Transmission, Case51TrimsTheWholeExportAtOnce) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(16 * mebibyte, 6)).is_ok());
    EXPECT_GE(allocated_bytes(file("disk")), 16 * mebibyte);
    EXPECT_TRUE(client.trim(0, disk_size).is_ok());
    EXPECT_LT(allocated_bytes(file("disk")), mebibyte) << "the blocks are given back";
    EXPECT_EQ(file_size(file("disk")), disk_size);
    expect_in_step(client);
}

TEST_F(Transmission, Case51ZeroesTheWholeExportAtOnce) {
    for (const uint16_t flags : {uint16_t{0}, wire::flag_no_hole}) {
        WireClient client = attach();
        EXPECT_TRUE(client.write(0, pattern(16 * mebibyte, 7)).is_ok());
        EXPECT_TRUE(client.write_zeroes(0, disk_size, flags).is_ok());
        for (uint64_t offset = 0; offset < disk_size; offset += 32 * mebibyte) {
            EXPECT_TRUE(is_zero(client.read(offset, 32 * mebibyte).data)) << offset;
        }
        EXPECT_TRUE(is_zero(read_file(file("disk"))));
        EXPECT_EQ(file_size(file("disk")), disk_size);
    }
}

TEST_F(Transmission, Case51ZeroesMoreThan4GiBInMaximalRequests) {
    add_export("large", 9 * gibibyte);
    start();
    WireClient client = attach("large");
    const std::vector<uint64_t> places = {0, 4 * gibibyte - 4096, 4 * gibibyte, 8 * gibibyte + 5};
    for (const uint64_t place : places) EXPECT_TRUE(client.write(place, "data").is_ok());
    for (const uint64_t place : places) EXPECT_EQ(client.read(place, 4).data, "data");
    constexpr uint32_t most = 0xfffff000;
    EXPECT_TRUE(client.write_zeroes(0, most).is_ok());
    EXPECT_TRUE(client.write_zeroes(most, most).is_ok());
    EXPECT_TRUE(client.trim(0, most).is_ok());
    const uint64_t rest = 2 * uint64_t(most);
    EXPECT_TRUE(client.write_zeroes(rest, static_cast<uint32_t>(9 * gibibyte - rest)).is_ok());
    for (const uint64_t place : places) EXPECT_TRUE(is_zero(client.read(place, 4).data)) << place;
}

TEST_F(Transmission, ZeroesAndTrimsAtAnyOffsetLeaveTheirNeighbours) {
    struct Piece {
        uint64_t offset;
        uint64_t size;
    };
    const std::vector<Piece> pieces = {{1, 3},      {4095, 2},      {4096, 4096},
                                       {5000, 100}, {8190, 12'300}, {65'537, 200'001}};
    const std::string before = pattern(mebibyte, 8);
    WireClient client = attach();
    for (const uint16_t flags : {uint16_t{0}, wire::flag_no_hole, wire::flag_fua}) {
        EXPECT_TRUE(client.write(0, before).is_ok());
        std::string expected = before;
        for (const auto& [offset, size] : pieces) {
            EXPECT_TRUE(client.write_zeroes(offset, static_cast<uint32_t>(size), flags).is_ok());
            expected.replace(offset, size, std::string(size, '\0'));
            EXPECT_TRUE(client.read(0, mebibyte).data == expected) << offset << " + " << size;
        }
    }
    EXPECT_TRUE(client.write(0, before).is_ok());
    for (const auto& [offset, size] : pieces) {
        EXPECT_TRUE(client.trim(offset, static_cast<uint32_t>(size)).is_ok());
        const std::string after = client.read(0, mebibyte).data;
        ASSERT_EQ(after.size(), before.size());
        for (uint64_t at = 0; at < after.size(); ++at) {
            const bool is_trimmed = at >= offset && at < offset + size && after[at] == '\0';
            ASSERT_TRUE(is_trimmed || after[at] == before[at])
                << offset << " + " << size << ": " << at;
        }
        EXPECT_TRUE(client.write(0, before).is_ok());
    }
}

TEST_F(Transmission, Case52ZeroesWithoutHoleAreAllocated) {
    WireClient client = attach();
    EXPECT_LT(allocated_bytes(file("disk")), mebibyte);
    const uint16_t flags = wire::flag_no_hole | wire::flag_fua;
    EXPECT_TRUE(client.write_zeroes(0, 8 * mebibyte, flags).is_ok());
    EXPECT_GE(allocated_bytes(file("disk")), 8 * mebibyte);
    EXPECT_TRUE(is_zero(client.read(0, 8 * mebibyte).data));
}

TEST_F(Transmission, Case53FastZeroSucceedsOrChangesNothing) {
    WireClient client = connect();
    const uint16_t flags = client.attach("disk").flags;
    if ((flags & wire::send_fast_zero) == 0) return;  // Then case 74 speaks of it.
    const std::string before = pattern(mebibyte, 9);
    for (const uint16_t other : {uint16_t{0}, wire::flag_no_hole}) {
        EXPECT_TRUE(client.write(0, before).is_ok());
        const uint16_t request_flags = wire::flag_fast_zero | other;
        const Answer answer = client.write_zeroes(0, mebibyte, request_flags);
        EXPECT_TRUE(answer.is_ok() || answer.error == wire::enotsup) << answer.error;
        const std::string after = client.read(0, mebibyte).data;
        EXPECT_TRUE(answer.is_ok() ? is_zero(after) : after == before);
    }
}

TEST_F(Transmission, Case56FuaIsAcceptedOnEverything) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(4096, 10), wire::flag_fua).is_ok());
    EXPECT_TRUE(client.read(0, 4096, wire::flag_fua).data == pattern(4096, 10));
    EXPECT_TRUE(client.request({.command = wire::cmd_flush, .flags = wire::flag_fua}).is_ok());
    EXPECT_TRUE(client.trim(65536, 65536, wire::flag_fua).is_ok());
    EXPECT_TRUE(client.write_zeroes(65536, 65536, wire::flag_fua).is_ok());
    WireClient structured = attach_structured();
    EXPECT_TRUE(structured.block_status(0, 65536, wire::flag_fua).is_ok());
}

TEST_F(Transmission, Case57CacheHasNoEffectOnData) {
    WireClient client = attach();
    EXPECT_TRUE(client.write(0, pattern(65536, 11)).is_ok());
    const Answer answer = client.request({.command = wire::cmd_cache, .size = 65536});
    EXPECT_TRUE(answer.is_ok() || answer.error == wire::einval);
    EXPECT_TRUE(client.read(0, 65536).data == pattern(65536, 11));
}

TEST_F(Transmission, Case63FlushedWriteIsSeenByAnotherConnection) {
    WireClient writer = attach();
    WireClient reader = attach();
    for (uint32_t round = 0; round < 100; ++round) {
        const std::string data = pattern(8192, 100 + round);
        EXPECT_TRUE(writer.write(round * 8192, data).is_ok());
        EXPECT_TRUE(writer.flush().is_ok());
        EXPECT_TRUE(reader.read(round * 8192, 8192).data == data) << round;
    }
}

TEST_F(Transmission, ReadOnlyExportReadsItsFile) {
    WireClient client = attach("fixed");
    EXPECT_TRUE(client.read(0, fixed_size).data == pattern(fixed_size, fixed_seed));
    EXPECT_TRUE(client.flush().is_ok());
}

}  // namespace
}  // namespace blockd::support
