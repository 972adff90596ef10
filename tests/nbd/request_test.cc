#include "nbd/request.h"

#include "nbd/wire_text.h"

#include <gtest/gtest.h>

#include <string>

namespace blockd::nbd {
namespace {

constexpr uint64_t export_size = uint64_t(1) << 30;
constexpr uint32_t mib = 1u << 20;

constexpr uint16_t flags_all = transmission_flag::has_flags | transmission_flag::send_flush |
                               transmission_flag::send_fua | transmission_flag::send_trim |
                               transmission_flag::send_write_zeroes | transmission_flag::send_df |
                               transmission_flag::send_cache | transmission_flag::send_fast_zero;
constexpr uint16_t flags_none = transmission_flag::has_flags;
constexpr uint16_t flags_read_only = transmission_flag::has_flags | transmission_flag::read_only |
                                     transmission_flag::send_flush | transmission_flag::send_fua;

constexpr RequestLimits everything = {export_size, flags_all, true};
constexpr RequestLimits nothing = {export_size, flags_none, false};
constexpr RequestLimits read_only = {export_size, flags_read_only, false};

Bytes request_bytes(const Request& request) {
    return copy_of(bytes_of(RequestHeader{request_magic, request.flags, uint16_t(request.command),
                                          request.cookie, request.offset, request.size}));
}

TEST(ParseRequest, ReadsEveryField) {
    const Bytes bytes = request_bytes({Command::write_zeroes, 3, ~uint64_t(0), 0x123456789a, 77});
    const Result<std::optional<Request>> parsed = parse_request(bytes);
    ASSERT_TRUE(parsed && *parsed);
    const Request& request = **parsed;
    EXPECT_EQ(request.command, Command::write_zeroes);
    EXPECT_EQ(request.flags, 3u);
    EXPECT_EQ(request.cookie, ~uint64_t(0));
    EXPECT_EQ(request.offset, 0x123456789au);
    EXPECT_EQ(request.size, 77u);
}

TEST(ParseRequest, WaitsForMoreAtEveryTruncation) {
    const Bytes bytes = request_bytes({.command = Command::read, .size = 512});
    for (size_t size = 0; size < bytes.size(); ++size) {
        const Result<std::optional<Request>> parsed = parse_request(std::span(bytes).first(size));
        ASSERT_TRUE(bool(parsed)) << size;
        EXPECT_FALSE(*parsed) << size;
    }
    EXPECT_TRUE(*parse_request(bytes));
}

TEST(ParseRequest, RefusesAWrongMagicFromFourBytesOn) {
    for (const uint32_t magic : {0u, 0x12560953u, 0x25609514u, 0x21e41c71u, simple_reply_magic}) {
        Bytes bytes = request_bytes({});
        const Bytes wrong = WireBuilder().be32(magic).bytes();
        std::copy(wrong.begin(), wrong.end(), bytes.begin());
        EXPECT_TRUE(bool(parse_request(std::span(bytes).first(3)))) << magic;
        for (const size_t size : {size_t(4), bytes.size()}) {
            const Result<std::optional<Request>> parsed =
                parse_request(std::span(bytes).first(size));
            ASSERT_FALSE(bool(parsed)) << magic;
            EXPECT_EQ(parsed.error().code, ErrorCode::protocol);
        }
    }
}

struct Case {
    const char* name;
    const RequestLimits& limits;
    Request request;
    WireError error;
    bool closes = false;
};

void expect_cases(std::span<const Case> cases) {
    for (const Case& each : cases) {
        const Refusal refusal = check_request(each.request, each.limits);
        EXPECT_EQ(refusal.error, each.error) << each.name << ": " << refusal.text;
        EXPECT_EQ(refusal.closes, each.closes) << each.name;
        const bool is_refused = each.error != WireError::none;
        EXPECT_EQ(bool(refusal), is_refused) << each.name;
        EXPECT_EQ(std::string(refusal.text).empty(), !is_refused) << each.name;
    }
}

constexpr WireError none = WireError::none;
constexpr WireError invalid = WireError::invalid;

Request make(Command command, uint64_t offset, uint32_t size, uint16_t flags = 0) {
    return {.command = command, .flags = flags, .cookie = 1, .offset = offset, .size = size};
}

TEST(CheckRequest, RangesEndAtTheEndOfTheExport) {
    const uint64_t end = export_size;
    const uint64_t wrap = ~uint64_t(0) - 511;
    const Case cases[] = {
        {"read to the end", everything, make(Command::read, end - 512, 512), none},
        {"read past it", everything, make(Command::read, end - 511, 512), invalid},
        {"read wraps", everything, make(Command::read, wrap, 1024), invalid},
        {"read wraps to 0", everything, make(Command::read, wrap, 512), invalid},
        {"write to the end", everything, make(Command::write, end - 512, 512), none},
        {"write past it", everything, make(Command::write, end - 511, 512), WireError::no_space},
        {"write wraps", everything, make(Command::write, wrap, 1024), WireError::no_space},
        {"trim of everything", everything, make(Command::trim, 0, uint32_t(end)), none},
        {"trim past it", everything, make(Command::trim, 1, uint32_t(end)), invalid},
        {"trim 0xfffff000", everything, make(Command::trim, 0, 0xfffff000), invalid},
        {"zero everything", everything, make(Command::write_zeroes, 0, uint32_t(end)), none},
        {"zero past it", everything, make(Command::write_zeroes, 1, uint32_t(end)),
         WireError::no_space},
        {"cache everything", everything, make(Command::cache, 0, uint32_t(end)), none},
        {"cache past it", everything, make(Command::cache, end, 1), invalid},
        {"status of everything", everything, make(Command::block_status, 0, uint32_t(end)), none},
        {"status past it", everything, make(Command::block_status, 0, ~0u), invalid},
    };
    expect_cases(cases);
}

// Half of all numbers: where a signed offset would turn negative.
TEST(CheckRequest, RangesAround2To63AreAsOthers) {
    constexpr uint64_t half = uint64_t(1) << 63;
    const RequestLimits largest = {half - 1, flags_all, true};  // What a file can have.
    const RequestLimits beyond = {half + 4096, flags_all, true};
    const Case cases[] = {
        {"read to the end", largest, make(Command::read, half - 513, 512), none},
        {"read past it", largest, make(Command::read, half - 512, 512), invalid},
        {"read behind it", largest, make(Command::read, half, 512), invalid},
        {"read of nothing at the end", largest, make(Command::read, half - 1, 0), none},
        {"read of nothing behind it", largest, make(Command::read, half, 0), invalid},
        {"write to the end", largest, make(Command::write, half - 513, 512), none},
        {"write past it", largest, make(Command::write, half - 512, 512), WireError::no_space},
        {"trim to the end", largest, make(Command::trim, half - 1 - ~0u, ~0u), none},
        {"trim past it", largest, make(Command::trim, half - ~0u, ~0u), invalid},
        {"zero past it", largest, make(Command::write_zeroes, half - ~0u, ~0u),
         WireError::no_space},
        {"status past it", largest, make(Command::block_status, half - ~0u, ~0u), invalid},
        {"read across the half", beyond, make(Command::read, half - 256, 512), none},
        {"read to the end behind it", beyond, make(Command::read, half + 4096 - 512, 512), none},
        {"read past the end behind it", beyond, make(Command::read, half + 4096 - 511, 512),
         invalid},
    };
    expect_cases(cases);
}

TEST(CheckRequest, PayloadsEndAt32MiB) {
    const RequestLimits huge = {uint64_t(1) << 40, flags_all, true};
    const Case cases[] = {
        {"read 32 MiB", huge, make(Command::read, 0, 32 * mib), none},
        {"read a byte more", huge, make(Command::read, 0, 32 * mib + 1), WireError::overflow},
        {"read 64 MiB + 512", huge, make(Command::read, 0, 64 * mib + 512), WireError::overflow},
        {"read 4 GiB - 1", huge, make(Command::read, 0, ~0u), WireError::overflow},
        {"write 32 MiB", huge, make(Command::write, 0, 32 * mib), none},
        {"write a byte more", huge, make(Command::write, 0, 32 * mib + 1), invalid},
        {"write 64 MiB is skipped", huge, make(Command::write, 0, 64 * mib), invalid},
        {"write 64 MiB + 1 closes", huge, make(Command::write, 0, 64 * mib + 1), invalid, true},
        {"write 4 GiB - 1 closes", huge, make(Command::write, 0, ~0u), invalid, true},
        {"zero 4 GiB - 1", huge, make(Command::write_zeroes, 0, ~0u), none},
        {"trim 4 GiB - 1", huge, make(Command::trim, 0, ~0u), none},
        {"read-only, too large to skip", read_only, make(Command::write, 0, ~0u),
         WireError::not_permitted, true},
        {"bad flags, too large to skip", huge, make(Command::write, 0, ~0u, 0x8000), invalid, true},
    };
    expect_cases(cases);
}

TEST(CheckRequest, ZeroLengthsSucceedExceptForBlockStatus) {
    const Case cases[] = {
        {"read", everything, make(Command::read, 0, 0), none},
        {"read at the end", everything, make(Command::read, export_size, 0), none},
        {"read past the end", everything, make(Command::read, export_size + 1, 0), invalid},
        {"write", everything, make(Command::write, 0, 0), none},
        {"trim", everything, make(Command::trim, 0, 0), none},
        {"zero", everything, make(Command::write_zeroes, 0, 0), none},
        {"cache", everything, make(Command::cache, 0, 0), none},
        {"block status", everything, make(Command::block_status, 0, 0), invalid},
    };
    expect_cases(cases);
}

TEST(CheckRequest, FuaIsAcceptedOnEverythingOnceAdvertised) {
    for (const Command command : {Command::read, Command::write, Command::trim, Command::cache,
                                  Command::write_zeroes, Command::block_status}) {
        EXPECT_FALSE(check_request(make(command, 0, 512, command_flag::fua), everything));
    }
    EXPECT_FALSE(check_request(make(Command::flush, 0, 0, command_flag::fua), everything));
    EXPECT_EQ(check_request(make(Command::write, 0, 512, command_flag::fua), nothing).error,
              invalid);
    EXPECT_EQ(check_request(make(Command::read, 0, 512, command_flag::fua), nothing).error,
              invalid);
}

// Every flag on every command: allowed only where the specification says.
TEST(CheckRequest, FlagsBelongToTheirCommands) {
    for (uint16_t command = 0; command <= 7; ++command) {
        if (Command(command) == Command::disconnect) continue;
        for (uint16_t bit = 1; bit < 16; ++bit) {
            const uint16_t flag = uint16_t(1 << bit);
            const bool is_flush = Command(command) == Command::flush;
            const bool is_allowed =
                (Command(command) == Command::read && flag == command_flag::dont_fragment) ||
                (Command(command) == Command::block_status && flag == command_flag::request_one) ||
                (Command(command) == Command::write_zeroes &&
                 (flag == command_flag::no_hole || flag == command_flag::fast_zero));
            const Request request = make(Command(command), 0, is_flush ? 0 : 512, flag);
            EXPECT_EQ(check_request(request, everything).error, is_allowed ? none : invalid)
                << command << " with " << flag;
        }
    }
}

TEST(CheckRequest, WhatWasNotAdvertisedIsRefused) {
    RequestLimits no_fast_zero = everything;
    no_fast_zero.flags = flags_all & ~transmission_flag::send_fast_zero;
    RequestLimits no_df = everything;
    no_df.flags = flags_all & ~transmission_flag::send_df;
    RequestLimits no_context = everything;
    no_context.has_base_allocation = false;
    const Case cases[] = {
        {"flush", nothing, make(Command::flush, 0, 0), invalid},
        {"trim", nothing, make(Command::trim, 0, 512), invalid},
        {"zeroes", nothing, make(Command::write_zeroes, 0, 512), invalid},
        {"cache", nothing, make(Command::cache, 0, 512), invalid},
        {"block status", nothing, make(Command::block_status, 0, 512), invalid},
        {"block status without context", no_context, make(Command::block_status, 0, 512), invalid},
        {"fast zero", no_fast_zero, make(Command::write_zeroes, 0, 512, command_flag::fast_zero),
         invalid},
        {"df", no_df, make(Command::read, 0, 512, command_flag::dont_fragment), invalid},
        {"read needs nothing", nothing, make(Command::read, 0, 512), none},
        {"write needs nothing", nothing, make(Command::write, 0, 512), none},
    };
    expect_cases(cases);
}

TEST(CheckRequest, AReadOnlyExportPermitsNoChange) {
    const Case cases[] = {
        {"write", read_only, make(Command::write, 0, 512), WireError::not_permitted},
        {"trim", read_only, make(Command::trim, 0, 512), WireError::not_permitted},
        {"zeroes", read_only, make(Command::write_zeroes, 0, 512), WireError::not_permitted},
        {"read", read_only, make(Command::read, 0, 512), none},
        {"flush", read_only, make(Command::flush, 0, 0), none},
    };
    expect_cases(cases);
}

TEST(CheckRequest, AFlushTakesNoRange) {
    const Case cases[] = {
        {"bare", everything, make(Command::flush, 0, 0), none},
        {"offset", everything, make(Command::flush, 512, 0), invalid},
        {"length", everything, make(Command::flush, 0, 512), invalid},
    };
    expect_cases(cases);
}

TEST(CheckRequest, CommandsThatNobodyKnowsAreRefused) {
    for (const uint32_t command : {8u, 9u, 99u, 0xffffu}) {
        EXPECT_EQ(check_request(make(Command(command), 0, 512), everything).error, invalid);
    }
}

TEST(CheckRequest, DisconnectIsNeverRefused) {
    EXPECT_FALSE(check_request(make(Command::disconnect, ~uint64_t(0), ~0u, 0xffff), nothing));
}

}  // namespace
}  // namespace blockd::nbd
