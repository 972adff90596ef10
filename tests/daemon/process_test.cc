// The real blockd as its operator meets it: what it prints, what it exits with, what it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/exit_code.h"
#include "daemon/notify_receiver.h"
#include "daemon/small_disk.h"
#include "support/daemon_process.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A file that this process owns: blockd cannot have it.
class OwnedFile {
  public:
    explicit OwnedFile(const std::string& path) {
        support::write_file(path, "x");
        descriptor_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
        EXPECT_EQ(flock(descriptor_, LOCK_EX | LOCK_NB), 0);
    }
    ~OwnedFile() { close(descriptor_); }
    OwnedFile(const OwnedFile&) = delete;
    OwnedFile& operator=(const OwnedFile&) = delete;

  private:
    int descriptor_ = -1;
};

class BlockdProcess : public ::testing::Test {
  protected:
    std::string file(std::string_view name) const { return folder_.file(name); }
    bool exists(std::string_view name) const { return std::filesystem::exists(file(name)); }

    // Runs it to its end. What it printed is in output_.
    std::optional<int> run(const std::vector<std::string>& arguments) {
        support::DaemonProcess process(file("output"));
        process.start(arguments);
        const std::optional<int> code = process.wait_for_exit();
        output_ = process.log();
        std::filesystem::remove(file("output"));
        return code;
    }

    // The command line for one export of disk.img on b.sock, made with 1 MiB when missing.
    std::vector<std::string> one_export(const std::string& image = "disk.img",
                                        const std::string& socket = "b.sock") const {
        return {"--socket", file(socket), "--export", "disk", "--size", "1MiB", file(image)};
    }

    void start(support::DaemonProcess& process, const std::string& socket = "b.sock") {
        process.start(one_export("disk.img", socket));
        ASSERT_TRUE(process.wait_until_ready({.unix_path = file(socket)}));
    }

    std::string config(std::string_view text) const {
        support::write_file(file("blockd.json"), text);
        return file("blockd.json");
    }

    support::TemporaryDirectory folder_;
    std::string output_;
};

TEST_F(BlockdProcess, PrintsItsVersion) {
    EXPECT_EQ(run({"--version"}), exit_code::clean);
    EXPECT_THAT(output_, ::testing::MatchesRegex("blockd [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(BlockdProcess, PrintsItsHelp) {
    EXPECT_EQ(run({"--help"}), exit_code::clean);
    EXPECT_THAT(output_, StartsWith("Usage: blockd --config FILE"));
}

TEST_F(BlockdProcess, BadUsageExitsWith2) {
    EXPECT_EQ(run({}), exit_code::wrong_config);
    EXPECT_THAT(output_, StartsWith("blockd: nothing to serve"));
    EXPECT_EQ(run({"--frobnicate"}), exit_code::wrong_config);
    EXPECT_EQ(output_, "blockd: unrecognised option '--frobnicate'\nTry: blockd --help\n");
}

TEST_F(BlockdProcess, CheckAcceptsARightConfigAndTouchesNothing) {
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}], "exports": [
        {"name": "a", "file": "a.img", "size": "1MiB", "create": true}],
        "log": {"file": "b.log"}})");
    EXPECT_EQ(run({"--config", path, "--check"}), exit_code::clean);
    EXPECT_EQ(output_, path + ": right: 1 exports, 1 listeners\n");
    EXPECT_FALSE(exists("a.img") || exists("b.sock") || exists("b.log"));
}

TEST_F(BlockdProcess, AWrongConfigExitsWith2AndTouchesNothing) {
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}], "exports": [
        {"name": "a", "file": "a.img", "size": "1MiB", "create": true},
        {"name": "a", "file": "no.img", "size": 7}], "log": {"file": "b.log"}})");
    for (const char* const task : {"", "--check"}) {
        std::vector<std::string> arguments = {"--config", path};
        if (*task != '\0') arguments.push_back(task);
        EXPECT_EQ(run(arguments), exit_code::wrong_config);
        EXPECT_THAT(output_, HasSubstr(path + ": /exports/1/name: \"a\": "));
        EXPECT_THAT(output_, HasSubstr(path + ": /exports/1/size: 7: "));
        EXPECT_THAT(output_, HasSubstr(path + ": /exports/1/file: \"" + file("no.img") + "\": "));
        EXPECT_FALSE(exists("a.img") || exists("b.sock") || exists("b.log"));
    }
}

TEST_F(BlockdProcess, AMissingConfigExitsWith2) {
    EXPECT_EQ(run({"--config", file("no.json")}), exit_code::wrong_config);
    EXPECT_EQ(output_, file("no.json") + ": cannot read it: No such file or directory\n");
}

TEST_F(BlockdProcess, ASyntaxErrorExitsWith2) {
    const std::string path = config("{\n  \"listeners\": [,]}");
    EXPECT_EQ(run({"--config", path}), exit_code::wrong_config);
    EXPECT_THAT(output_, StartsWith(path + ": line 2, column 17: syntax error"));
}

TEST_F(BlockdProcess, AMissingFileIsNamed) {
    EXPECT_EQ(run({"--socket", file("b.sock"), "--export", "disk", file("disk.img")}),
              exit_code::wrong_config);
    EXPECT_THAT(output_, StartsWith("blockd: FILE: \"" + file("disk.img") + "\": "));
    EXPECT_FALSE(exists("b.sock"));
}

TEST_F(BlockdProcess, AFileThatIsTooSmallIsNamedAndKept) {
    support::write_file(file("disk.img"), "only some bytes");
    EXPECT_EQ(run(one_export()), exit_code::wrong_config);
    EXPECT_THAT(output_, HasSubstr("--size: 1048576: at most 15 bytes, as many as " +
                                   file("disk.img") + " has"));
    EXPECT_EQ(support::read_file(file("disk.img")), "only some bytes");
    EXPECT_FALSE(exists("b.sock"));
}

TEST_F(BlockdProcess, AHeldLockIsNamed) {
    support::DaemonProcess first(file("first.log"));
    start(first);
    EXPECT_EQ(run(one_export("disk.img", "second.sock")), exit_code::start_failed);
    EXPECT_THAT(output_, HasSubstr(file("disk.img")));
    EXPECT_THAT(output_, HasSubstr("owns it; only one may write to it"));
    EXPECT_FALSE(exists("second.sock"));
    EXPECT_TRUE(support::WireClient::can_connect({.unix_path = file("b.sock")}));
    EXPECT_EQ(first.terminate(), exit_code::clean);
}

TEST_F(BlockdProcess, AFullDiskIsToldAndLeavesNothingBehind) {
    std::filesystem::create_directory(file("small"));
    const SmallDisk disk(file("small"), 1u << 20);
    if (!disk.is_mounted()) GTEST_SKIP() << disk.reason();

    EXPECT_EQ(run({"--socket", file("b.sock"), "--export", "disk", "--size", "64MiB",
                   file("small/disk.img")}),
              exit_code::start_failed);
    EXPECT_THAT(output_, HasSubstr(file("small/disk.img")));
    EXPECT_THAT(output_, HasSubstr("space"));
    EXPECT_FALSE(exists("small/disk.img") || exists("b.sock"));
}

TEST_F(BlockdProcess, NoFileIsMadeWhenAnotherCannotBeOpened) {
    const OwnedFile owned(file("owned.img"));
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}], "exports": [
        {"name": "new", "file": "new.img", "size": "1MiB", "create": true},
        {"name": "owned", "file": "owned.img"}]})");
    EXPECT_EQ(run({"--config", path}), exit_code::start_failed);
    EXPECT_THAT(output_, HasSubstr(file("owned.img")));
    EXPECT_FALSE(exists("new.img") || exists("b.sock"));
}

TEST_F(BlockdProcess, AFailedStartIsToldOnStderrWhenTheLogIsAFile) {
    const OwnedFile owned(file("owned.img"));
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}], "exports": [
        {"name": "owned", "file": "owned.img"}],
        "log": {"file": "b.log", "format": "json"}})");
    EXPECT_EQ(run({"--config", path}), exit_code::start_failed);
    EXPECT_THAT(output_, StartsWith("blockd: export \"owned\": "));
    EXPECT_THAT(support::read_file(file("b.log")), HasSubstr("\"message\":\"cannot start\""));
}

TEST_F(BlockdProcess, ALiveSocketIsRefusedAndLeftAlone) {
    support::DaemonProcess first(file("first.log"));
    start(first);
    EXPECT_EQ(run(one_export("other.img")), exit_code::start_failed);
    EXPECT_THAT(output_, HasSubstr("cannot listen on unix:" + file("b.sock")));
    EXPECT_THAT(output_, HasSubstr("another server listens there"));
    EXPECT_TRUE(support::WireClient::can_connect({.unix_path = file("b.sock")}));
    EXPECT_EQ(first.terminate(), exit_code::clean);
    EXPECT_FALSE(exists("b.sock"));
}

TEST_F(BlockdProcess, ADeadDaemonsSocketIsReplaced) {
    {
        support::DaemonProcess killed(file("killed.log"));
        start(killed);
        killed.kill_now();
    }
    ASSERT_TRUE(exists("b.sock"));
    support::DaemonProcess next(file("next.log"));
    start(next);
    EXPECT_EQ(next.terminate(), exit_code::clean);
    EXPECT_FALSE(exists("b.sock"));
}

TEST_F(BlockdProcess, SigtermAndSigintEndItCleanlyWithoutASocketLeft) {
    for (const int signal_number : {SIGTERM, SIGINT}) {
        support::DaemonProcess process(file("log"));
        start(process);
        EXPECT_TRUE(exists("b.sock"));
        process.signal(signal_number);
        EXPECT_EQ(process.wait_for_exit(), exit_code::clean) << process.log();
        EXPECT_FALSE(exists("b.sock"));
        EXPECT_THAT(process.log(), HasSubstr("stopped: clean"));
    }
}

TEST_F(BlockdProcess, TheSocketHasItsConfiguredMode) {
    const std::string path = config(R"({"listeners": [{"unix": "b.sock", "mode": "0604"}],
        "exports": [{"name": "a", "file": "a.img", "size": "1MiB", "create": true}]})");
    support::DaemonProcess process(file("log"));
    process.start({"--config", path});
    ASSERT_TRUE(process.wait_until_ready({.unix_path = file("b.sock")}));
    struct stat status {};
    ASSERT_EQ(stat(file("b.sock").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0604u);
    EXPECT_EQ(process.terminate(), exit_code::clean);
}

TEST_F(BlockdProcess, WhenReadyItPrintsWhereItsExportsAre) {
    const uint16_t port = support::free_tcp_port();
    support::DaemonProcess process(file("log"));
    std::vector<std::string> arguments = one_export();
    arguments.insert(arguments.begin(), {"--port", std::to_string(port)});
    process.start(arguments);
    ASSERT_TRUE(process.wait_until_ready({.port = port}));
    ASSERT_TRUE(
        support::eventually([&] { return process.log().find("Try: ") != std::string::npos; }));
    const std::string socket_uri = "nbd+unix:///disk?socket=" + file("b.sock");
    EXPECT_THAT(process.log(), HasSubstr("  " + socket_uri + "\n"));
    EXPECT_THAT(process.log(), HasSubstr("  nbd://127.0.0.1:" + std::to_string(port) + "/disk\n"));
    EXPECT_THAT(process.log(), HasSubstr("blockctl info '" + socket_uri + "'\n"));
    EXPECT_THAT(process.log(), HasSubstr("loop started backend="));
    EXPECT_EQ(process.terminate(), exit_code::clean);
}

TEST_F(BlockdProcess, AnExportsStateIsOneLine) {
    support::DaemonProcess process(file("log"));
    start(process);
    EXPECT_THAT(process.log(), HasSubstr("export made export=disk file=" + file("disk.img") +
                                         " size_bytes=1048576 caching="));
    EXPECT_THAT(process.log(), HasSubstr(" sync=full "));
    EXPECT_EQ(process.terminate(), exit_code::clean);
    EXPECT_EQ(std::filesystem::file_size(file("disk.img")), 1048576u);

    support::DaemonProcess again(file("again.log"));
    start(again);
    EXPECT_THAT(again.log(), HasSubstr("export opened export=disk "));
    EXPECT_EQ(again.terminate(), exit_code::clean);
}

TEST_F(BlockdProcess, ACacheAnswersReadsAndTellsHowMany) {
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}], "exports": [
        {"name": "disk", "file": "a.img", "size": "2MiB", "create": true,
         "cache": {"size": "1MiB"}}]})");
    support::DaemonProcess process(file("log"));
    process.start({"--config", path});
    const support::Endpoint endpoint = {.unix_path = file("b.sock")};
    ASSERT_TRUE(process.wait_until_ready(endpoint));
    EXPECT_THAT(process.log(), HasSubstr("cache_bytes=1048576"));

    support::WireClient client(endpoint);
    ASSERT_TRUE(client.attach_structured("disk").is_granted);
    const std::string data(64 << 10, 'x');
    EXPECT_TRUE(client.write(4096, data).is_ok());
    EXPECT_EQ(client.read(4096, 64 << 10).data, data) << "a hit: it was written";
    const support::RequestFields cache = {
        .command = support::wire::cmd_cache, .offset = 1 << 20, .size = 4096};
    EXPECT_TRUE(client.request(cache).is_ok()) << "a miss";
    EXPECT_EQ(client.read((1 << 20) + 10, 100).data, std::string(100, '\0')) << "a hit";
    EXPECT_TRUE(client.write_zeroes(4096, 4096).is_ok());
    EXPECT_EQ(client.read(4095, 2).data, std::string(2, '\0')) << "a miss";
    EXPECT_EQ(client.read(8192, 4096).data, data.substr(0, 4096)) << "a hit";
    EXPECT_EQ(process.terminate(), exit_code::clean);
    EXPECT_THAT(process.log(),
                HasSubstr("export closed export=disk cache_hits=3 cache_misses=2\n"));
}

TEST_F(BlockdProcess, TheServiceManagerHearsThatItIsReadyAndThatItStops) {
    NotifyReceiver receiver(file("notify"));
    setenv("NOTIFY_SOCKET", receiver.name().c_str(), 1);
    support::DaemonProcess process(file("log"));
    process.start(one_export());
    unsetenv("NOTIFY_SOCKET");

    EXPECT_THAT(receiver.receive(), StartsWith("READY=1\n"));
    EXPECT_TRUE(support::WireClient::can_connect({.unix_path = file("b.sock")}))
        << "ready means that clients can connect";
    EXPECT_TRUE(receiver.is_empty());
    process.signal(SIGTERM);
    EXPECT_THAT(receiver.receive(), StartsWith("STOPPING=1\n"));
    EXPECT_EQ(process.wait_for_exit(), exit_code::clean);
}

TEST_F(BlockdProcess, AServiceManagerThatIsGoneIsAWarningAndNoMore) {
    setenv("NOTIFY_SOCKET", file("nobody").c_str(), 1);
    support::DaemonProcess process(file("log"));
    process.start(one_export());
    unsetenv("NOTIFY_SOCKET");
    ASSERT_TRUE(process.wait_until_ready({.unix_path = file("b.sock")}));
    EXPECT_EQ(process.terminate(), exit_code::clean);
    EXPECT_THAT(process.log(), HasSubstr("warning service manager not reached"));
}

TEST_F(BlockdProcess, StaysTheProcessThatWasStarted) {
    support::DaemonProcess process(file("log"));
    start(process);
    // The lock belongs to the process we started: once it is gone, so is the lock.
    process.kill_now();
    const int descriptor = open(file("disk.img").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(descriptor, 0);
    EXPECT_EQ(flock(descriptor, LOCK_EX | LOCK_NB), 0) << "a child still holds it";
    close(descriptor);
}

TEST_F(BlockdProcess, TheSecondSignalEndsTheGraceTime) {
    const std::string path = config(R"({"listeners": [{"unix": "b.sock"}],
        "exports": [{"name": "a", "file": "a.img", "size": "1MiB", "create": true}],
        "limits": {"shutdown_grace": "1h"}})");
    support::DaemonProcess process(file("log"));
    process.start({"--config", path});
    ASSERT_TRUE(process.wait_until_ready({.unix_path = file("b.sock")}));
    const support::WireClient client({.unix_path = file("b.sock")});  // The drain waits for it.

    // Two kinds: two signals of one kind that wait to be taken are one.
    process.signal(SIGTERM);
    process.signal(SIGINT);
    EXPECT_EQ(process.wait_for_exit(), exit_code::unclean);
    EXPECT_THAT(process.log(), HasSubstr("warning second signal: stopping at once"));
    EXPECT_THAT(process.log(), HasSubstr("stopped: "));
    EXPECT_FALSE(exists("b.sock"));
}

}  // namespace
}  // namespace blockd::daemon
