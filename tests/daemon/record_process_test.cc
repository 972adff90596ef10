// blockd --record as an operator meets it: what the record says, and when there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/exit_code.h"
#include "daemon/small_disk.h"
#include "support/daemon_process.h"
#include "support/record_reader.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"
#include "support/wire_format.h"

namespace blockd::daemon {
namespace {

using support::RecordedEvent;
using support::RecordedKind;
using ::testing::HasSubstr;

class BlockdRecord : public ::testing::Test {
  protected:
    std::string file(std::string_view name) const { return folder_.file(name); }

    void start(support::DaemonProcess& process, const std::string& record) {
        process.start({"--socket", file("b.sock"), "--export", "disk", "--size", "1MiB", "--record",
                       record, file("disk.img")});
    }

    const support::TemporaryDirectory folder_;
};

// The place of the first event from `begin` on that `is_it`; the end, with a failure, without one.
template <typename Predicate>
size_t place_of(const std::vector<RecordedEvent>& events, size_t begin, Predicate is_it) {
    size_t place = begin;
    while (place < events.size() && !is_it(events[place])) ++place;
    EXPECT_LT(place, events.size()) << "no such event from " << begin << " on";
    return std::min(place, events.size() - 1);
}

bool is_reply_to(const RecordedEvent& event, uint64_t cookie) {
    if (event.kind != RecordedKind::send || event.pieces.empty()) return false;
    const std::string& head = event.pieces[0].bytes;
    return head.size() >= 16 && support::read_u32(head, 0) == support::wire::simple_reply_magic &&
           support::read_u64(head, 8) == cookie;
}

TEST_F(BlockdRecord, TellsHowAWriteBecameDurableBeforeItsAnswer) {
    support::DaemonProcess process(file("log"));
    start(process, file("record"));
    ASSERT_TRUE(process.wait_until_ready({.unix_path = file("b.sock")}));
    const std::string data(4096, 'd');
    {
        support::WireClient client({.unix_path = file("b.sock")});
        client.attach("disk");
        EXPECT_TRUE(client.write(8192, data, support::wire::flag_fua).is_ok());
    }
    EXPECT_EQ(process.terminate(), exit_code::clean);
    EXPECT_THAT(process.log(), HasSubstr("warning recording, which is slow"));

    struct stat status {};
    ASSERT_EQ(stat(file("record").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    const support::Record record = support::read_record(file("record"));
    EXPECT_EQ(record.fault, "");
    EXPECT_TRUE(record.is_whole);

    const std::vector<RecordedEvent>& events = record.events;
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].kind, RecordedKind::file);
    EXPECT_EQ(events[0].payload, "disk");
    EXPECT_EQ(events[0].size, 1u << 20);
    const auto is_done = [&events](size_t place) {
        return [operation = events[place].operation](const RecordedEvent& event) {
            return event.kind == RecordedKind::done && event.operation == operation;
        };
    };
    const size_t write = place_of(events, 0, [](const RecordedEvent& event) {
        return event.kind == RecordedKind::write && event.offset == 8192;
    });
    EXPECT_EQ(events[write].payload, data);
    EXPECT_EQ(events[write].file, events[0].file);
    const size_t written = place_of(events, write, is_done(write));
    EXPECT_EQ(events[written].result, 4096);
    const size_t sync = place_of(events, written, [](const RecordedEvent& event) {
        return event.kind == RecordedKind::sync;
    });
    const size_t synced = place_of(events, sync, is_done(sync));
    EXPECT_EQ(events[synced].result, 0);
    place_of(events, synced, [](const RecordedEvent& event) { return is_reply_to(event, 1); });
}

TEST_F(BlockdRecord, IsNeverOverwritten) {
    support::write_file(file("record"), "precious");
    support::DaemonProcess process(file("log"));
    start(process, file("record"));
    EXPECT_EQ(process.wait_for_exit(), exit_code::wrong_config);
    EXPECT_THAT(process.log(), HasSubstr("blockd: --record: \"" + file("record") +
                                         "\": a file that "
                                         "does not exist: a record is never overwritten"));
    EXPECT_EQ(support::read_file(file("record")), "precious");
}

TEST_F(BlockdRecord, ADaemonThatCannotRecordEndsAndItsRecordIsNotWhole) {
    const std::string mounted = file("small");
    ASSERT_EQ(mkdir(mounted.c_str(), 0700), 0);
    const SmallDisk disk(mounted, 1u << 20);
    if (!disk.is_mounted()) GTEST_SKIP() << disk.reason();
    support::DaemonProcess process(file("log"));
    start(process, mounted + "/record");
    ASSERT_TRUE(process.wait_until_ready({.unix_path = file("b.sock")}));
    support::WireClient client({.unix_path = file("b.sock")});
    client.attach("disk");
    const std::string data(256u << 10, 'd');
    uint32_t answered = 0;
    for (uint32_t count = 0; count < 8; ++count) {
        if (!client.try_send(
                support::request_bytes({.command = support::wire::cmd_write,
                                        .cookie = count + 1,
                                        .size = static_cast<uint32_t>(data.size())})) ||
            !client.try_send(data)) {
            break;
        }
        std::string answer;
        if (!client.try_receive(16, &answer)) break;
        ++answered;
    }
    EXPECT_LT(answered, 4u) << "a disk of 1 MiB cannot hold a record of more";
    EXPECT_EQ(process.wait_for_exit(), exit_code::unclean);
    EXPECT_THAT(process.log(), HasSubstr("error stopped: the record cannot be written"));
    EXPECT_THAT(process.log(), HasSubstr("no space is left"));
    EXPECT_FALSE(support::read_record(mounted + "/record").is_whole);
}

}  // namespace
}  // namespace blockd::daemon
