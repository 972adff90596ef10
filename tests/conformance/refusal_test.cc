// Requests that must be refused: with which error, and with the connection still in step.
#include <gtest/gtest.h>

#include "support/daemon_test.h"

namespace blockd::support {
namespace {

class Refusal : public DaemonTest {
  protected:
    static constexpr uint64_t last_sector_of_all = 0 - uint64_t{512};  // 2^64 - 512.

    static void expect_refused(WireClient& client, const RequestFields& request, uint32_t error,
                               const std::string& payload = {}) {
        const Answer answer = client.request(request, payload);
        EXPECT_TRUE(answer.is_complete);
        EXPECT_EQ(answer.error, error)
            << "command " << request.command << " flags " << request.flags << " offset "
            << request.offset << " size " << request.size;
        expect_in_step(client);
    }
};

TEST_F(Refusal, Case67ReadPastTheEndIsInvalid) {
    for (WireClient& client : std::array{attach(), attach_structured()}) {
        for (const uint64_t offset :
             {disk_size, disk_size - 512, disk_size + 4096, last_sector_of_all, UINT64_MAX}) {
            expect_refused(client, {.offset = offset, .size = 1024}, wire::einval);
        }
    }
}

TEST_F(Refusal, Case68WritePastTheEndIsNoSpaceAndItsPayloadIsSkipped) {
    WireClient client = attach();
    for (const uint64_t offset :
         {disk_size, disk_size - 512, disk_size + 4096, last_sector_of_all, UINT64_MAX}) {
        for (const uint32_t size : {1024u, 100'000u, 3'000'001u}) {
            expect_refused(client, {.command = wire::cmd_write, .offset = offset, .size = size},
                           wire::enospc, pattern(size, size));
        }
    }
    EXPECT_EQ(file_size(file("disk")), disk_size);
    EXPECT_EQ(read_file(file("disk"), disk_size - 4096, 4096), std::string(4096, '\0'))
        << "nothing of it was written";
}

TEST_F(Refusal, Case69TrimAndZeroesPastTheEnd) {
    WireClient client = attach();
    for (const uint64_t offset : {disk_size, disk_size - 512, last_sector_of_all}) {
        expect_refused(client, {.command = wire::cmd_trim, .offset = offset, .size = 1024},
                       wire::einval);
        expect_refused(client, {.command = wire::cmd_write_zeroes, .offset = offset, .size = 1024},
                       wire::enospc);
        expect_refused(client, {.command = wire::cmd_cache, .offset = offset, .size = 1024},
                       wire::einval);
    }
    expect_refused(client, {.command = wire::cmd_trim, .size = 0xfffff000}, wire::einval);
    expect_refused(client, {.command = wire::cmd_write_zeroes, .size = 0xfffff000}, wire::enospc);
    EXPECT_EQ(file_size(file("disk")), disk_size);
}

TEST_F(Refusal, Case70ReadAboveTheMaximumIsRefusedWithoutMemory) {
    add_export("large", 5 * gibibyte);
    start();
    for (WireClient& client : std::array{attach("large"), attach_structured("large")}) {
        const uint64_t resident_bytes = daemon.status().resident_bytes;
        for (const uint64_t size : {32 * mebibyte + 1, 64 * mebibyte + 512, 4 * gibibyte - 1}) {
            const RequestFields request = {.size = static_cast<uint32_t>(size)};
            const Answer answer = client.request(request);
            EXPECT_TRUE(answer.error == wire::einval || answer.error == wire::eoverflow) << size;
            expect_in_step(client);
        }
        if (is_memory_measurable()) {
            EXPECT_LT(daemon.status().resident_bytes, resident_bytes + 4 * mebibyte);
        }
    }
}

TEST_F(Refusal, Case71WriteOf33MiBIsRefusedInStepOrCloses) {
    WireClient client = attach();
    const std::string payload = pattern(33 * mebibyte, 1);
    const RequestFields request = {
        .command = wire::cmd_write, .cookie = 3, .size = static_cast<uint32_t>(payload.size())};
    if (client.try_send(request_bytes(request) + payload)) {
        const Answer answer = client.receive_answer(request);
        EXPECT_NE(answer.error, wire::no_error);
        expect_in_step(client);
    }
    EXPECT_EQ(read_file(file("disk"), 0, 4096), std::string(4096, '\0')) << "nothing was written";
    expect_service();
}

TEST_F(Refusal, Case71WriteOf4GiBClosesAtOnce) {
    add_export("large", 5 * gibibyte);
    start();
    WireClient client = attach("large");
    const uint64_t resident_bytes = daemon.status().resident_bytes;
    client.send(request_bytes({.command = wire::cmd_write, .cookie = 3, .size = 0xffffffff}));
    client.set_timeout_ms(2'000);
    std::string rest;
    const bool is_closed = client.ends(&rest);
    EXPECT_TRUE(is_closed || client.has_input()) << "closed, or refused, at once";
    if (!rest.empty()) {
        EXPECT_NE(read_u32(rest, 4), wire::no_error);
    }
    if (is_memory_measurable()) {
        EXPECT_LT(daemon.status().resident_bytes, resident_bytes + 4 * mebibyte);
    }
    expect_service();
}

TEST_F(Refusal, Case72UnknownCommandsAreInvalid) {
    for (WireClient& client : std::array{attach(), attach_structured()}) {
        for (const uint16_t command : {wire::cmd_resize, uint16_t{9}, uint16_t{0xffff}}) {
            expect_refused(client, {.command = command, .size = 512}, wire::einval);
        }
    }
}

TEST_F(Refusal, Case72UnknownFlagsAreInvalidAndPayloadIsSkipped) {
    WireClient client = attach_structured();
    for (const uint16_t flag : {uint16_t{1 << 5}, uint16_t{1 << 6}, uint16_t{1 << 15}}) {
        for (const uint16_t command :
             {wire::cmd_read, wire::cmd_flush, wire::cmd_trim, wire::cmd_cache,
              wire::cmd_write_zeroes, wire::cmd_block_status}) {
            const uint32_t size = command == wire::cmd_flush ? 0 : 512;
            expect_refused(client, {.command = command, .flags = flag, .size = size}, wire::einval);
        }
        expect_refused(client, {.command = wire::cmd_write, .flags = flag, .size = 70'000},
                       wire::einval, pattern(70'000, 2));
    }
    EXPECT_EQ(read_file(file("disk"), 0, 4096), std::string(4096, '\0'));
}

TEST_F(Refusal, Case73FlagsOfOtherCommandsAreInvalid) {
    WireClient simple = attach();
    expect_refused(simple, {.flags = wire::flag_df, .size = 512}, wire::einval);
    for (WireClient& client : std::array{attach(), attach_structured()}) {
        for (const uint16_t flag :
             {wire::flag_no_hole, wire::flag_req_one, wire::flag_fast_zero, wire::flag_df}) {
            expect_refused(client, {.command = wire::cmd_write, .flags = flag, .size = 512},
                           wire::einval, pattern(512, 3));
        }
        for (const uint16_t flag : {wire::flag_no_hole, wire::flag_req_one}) {
            expect_refused(client, {.flags = flag, .size = 512}, wire::einval);
            expect_refused(client, {.command = wire::cmd_trim, .flags = flag, .size = 512},
                           wire::einval);
        }
        expect_refused(
            client, {.command = wire::cmd_write_zeroes, .flags = wire::flag_req_one, .size = 512},
            wire::einval);
    }
    EXPECT_EQ(read_file(file("disk"), 0, 4096), std::string(4096, '\0'));
}

TEST_F(Refusal, Case74FastZeroThatIsNotOfferedIsInvalid) {
    for (const std::string& name : {std::string("disk"), std::string("fixed")}) {
        WireClient client = connect();
        const ExportFacts facts = client.attach(name);
        if ((facts.flags & wire::send_fast_zero) != 0) continue;
        const Answer answer = client.write_zeroes(0, 512, wire::flag_fast_zero);
        EXPECT_TRUE(answer.error == wire::einval || answer.error == wire::eperm) << answer.error;
        expect_in_step(client);
    }
    expect_service();
}

TEST_F(Refusal, Case75FlushWithARangeIsInvalidOrAccepted) {
    WireClient client = attach();
    for (const RequestFields& request :
         {RequestFields{.command = wire::cmd_flush, .offset = 4096},
          RequestFields{.command = wire::cmd_flush, .size = 4096},
          RequestFields{.command = wire::cmd_flush, .offset = UINT64_MAX, .size = 0xffffffff}}) {
        const Answer answer = client.request(request);
        EXPECT_TRUE(answer.error == wire::no_error || answer.error == wire::einval);
        expect_in_step(client);
    }
}

TEST_F(Refusal, Case75CommandsThatAreNotOfferedAreRefused) {
    WireClient client = connect();
    const ExportFacts facts = client.attach("disk");
    if ((facts.flags & wire::send_cache) == 0) {
        expect_refused(client, {.command = wire::cmd_cache, .size = 512}, wire::einval);
    }
    expect_refused(client, {.command = wire::cmd_block_status, .size = 512}, wire::einval);
    WireClient fixed = connect();
    const ExportFacts fixed_facts = fixed.attach("fixed");
    EXPECT_EQ(fixed_facts.flags & (wire::send_trim | wire::send_write_zeroes), 0);
    EXPECT_NE(fixed.trim(0, 512).error, wire::no_error);
    EXPECT_NE(fixed.write_zeroes(0, 512).error, wire::no_error);
}

TEST_F(Refusal, Case76BlockStatusNotNegotiatedIsInvalid) {
    WireClient simple = attach();
    expect_refused(simple, {.command = wire::cmd_block_status, .size = 4096}, wire::einval);
    WireClient structured = connect();
    structured.greet();
    EXPECT_TRUE(structured.use_structured_replies());
    EXPECT_TRUE(structured.go("disk").is_granted);
    expect_refused(structured, {.command = wire::cmd_block_status, .size = 4096}, wire::einval);
}

TEST_F(Refusal, Case76BlockStatusBeyondTheEndIsInvalid) {
    WireClient client = attach_structured();
    for (const uint64_t offset : {disk_size, disk_size - 512, last_sector_of_all}) {
        expect_refused(client, {.command = wire::cmd_block_status, .offset = offset, .size = 1024},
                       wire::einval);
    }
    expect_refused(client, {.command = wire::cmd_block_status, .size = 0xffffffff}, wire::einval);
}

TEST_F(Refusal, Case77ZeroSizesDisconnectNobody) {
    for (WireClient& client : std::array{attach(), attach_structured()}) {
        for (const uint64_t offset : {uint64_t{0}, uint64_t{100}, disk_size, disk_size + 1}) {
            for (const uint16_t command :
                 {wire::cmd_read, wire::cmd_write, wire::cmd_trim, wire::cmd_cache,
                  wire::cmd_write_zeroes, wire::cmd_block_status}) {
                for (const uint16_t flags : {uint16_t{0}, wire::flag_fua}) {
                    const Answer answer =
                        client.request({.command = command, .flags = flags, .offset = offset});
                    EXPECT_TRUE(answer.is_complete) << "command " << command;
                    expect_in_step(client);
                }
            }
        }
        EXPECT_TRUE(client.read(0, 0).is_ok());
        EXPECT_TRUE(client.write(0, "").is_ok());
    }
    EXPECT_EQ(file_size(file("disk")), disk_size);
}

TEST_F(Refusal, Case82ReadOnlyExportRefusesWrites) {
    for (WireClient& client : std::array{attach("fixed"), attach_structured("fixed")}) {
        for (const uint32_t size : {512u, 70'000u, 2'000'000u}) {
            expect_refused(client, {.command = wire::cmd_write, .size = size}, wire::eperm,
                           pattern(size, 4));
        }
        expect_refused(client, {.command = wire::cmd_trim, .size = 512}, wire::eperm);
        expect_refused(client, {.command = wire::cmd_write_zeroes, .size = 512}, wire::eperm);
        EXPECT_TRUE(client.read(0, 65536).data == pattern(65536, fixed_seed));
    }
    EXPECT_TRUE(read_file(file("fixed")) == pattern(fixed_size, fixed_seed));
}

TEST_F(Refusal, Case83ErrorsOfStructuredRepliesAreStructuredWithAText) {
    WireClient client = attach_structured();
    const Answer answer = client.read(disk_size, 512);
    EXPECT_TRUE(answer.is_structured);
    EXPECT_EQ(answer.error, wire::einval);
    EXPECT_FALSE(answer.text.empty());
    EXPECT_LE(answer.text.size(), 4096u);
    EXPECT_TRUE(is_valid_utf8(answer.text));
    EXPECT_EQ(answer.text.find(directory.path()), std::string::npos) << "no path of the host";
    EXPECT_TRUE(client.block_status(disk_size, 512).is_structured);
    EXPECT_TRUE(client.read(0, 0).is_structured) << "a READ always is";
}

TEST_F(Refusal, Case83RefusalsOfTheNegotiationShowNoPathOfTheHost) {
    WireClient client = connect();
    client.greet();
    const std::string folder = directory.path();
    EXPECT_EQ(client.go("nobody").error_text.find(folder), std::string::npos);
    for (const OptionAnswer& answer : client.ask(wire::opt_list)) {
        EXPECT_EQ(answer.data.find(folder), std::string::npos);
    }
}

}  // namespace
}  // namespace blockd::support
