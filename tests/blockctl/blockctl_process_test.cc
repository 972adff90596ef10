// The real blockctl where it must not work, or must end early: exit statuses, and messages that
// name what was wrong.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "blockctl/run_blockctl.h"
#include "support/daemon_process.h"
#include "support/foreign_server.h"
#include "support/program.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {
namespace {

using support::ForeignServer;
using support::Program;
using support::ServerKind;

constexpr uint64_t mebibyte = 1 << 20;

class BlockctlProcess : public testing::Test {
  protected:
    Outcome run(const std::vector<std::string>& arguments, std::string_view input = "") {
        return run_blockctl(directory.path(), arguments, input);
    }

    void expect_complaint(const std::vector<std::string>& arguments, int status,
                          const std::string& part) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, status) << outcome.errors;
        EXPECT_EQ(outcome.errors.rfind("blockctl: ", 0), 0u) << outcome.errors;
        EXPECT_NE(outcome.errors.find(part), std::string::npos) << outcome.errors;
        EXPECT_EQ(outcome.output, "");
    }

    support::TemporaryDirectory directory;
};

// blockd, as the owner of a data file, and as a server with bounds.
class BlockdPeer : public BlockctlProcess {
  protected:
    void SetUp() override { support::write_file(disk, bytes); }

    void serve(const std::string& limits = "{}") {
        support::write_file(directory.file("blockd.json"),
                            R"({"listeners": [{"unix": "s"}], "exports": [{"name": "disk",)"
                            R"( "file": "disk.img", "description": "red \u009b31m"}], "limits": )" +
                                limits + "}");
        daemon.start({"--config", directory.file("blockd.json")});
        ASSERT_TRUE(daemon.wait_until_ready({.unix_path = directory.file("s")}));
    }

    const std::string bytes = support::pattern(2 * mebibyte, 21);
    const std::string disk = directory.file("disk.img");
    const std::string uri = "nbd+unix:///disk?socket=" + directory.file("s");
    support::DaemonProcess daemon{directory.file("log")};
};

// nbdkit, for what depends on its plugins and filters.
class NbdkitProcess : public BlockctlProcess {
  protected:
    void SetUp() override {
        if (support::program_of(ServerKind::nbdkit).empty())
            GTEST_SKIP() << "nbdkit is not installed";
        support::write_file(disk, support::pattern(4 * mebibyte, 1));
    }

    void serve(const std::vector<std::string>& extra) {
        server.reset();
        unlink(directory.file("s").c_str());
        server =
            std::make_unique<ForeignServer>(ServerKind::nbdkit, disk, directory.file("s"), extra);
        uri = server->uri();
    }

    // A disk that takes everything, except that its flushes fail.
    void serve_failing_flush() {
        const std::string socket = directory.file("s");
        server = std::make_unique<ForeignServer>(
            ServerKind::nbdkit,
            std::vector<std::string>{support::program_of(ServerKind::nbdkit), "-f", "-U", socket,
                                     "eval", "get_size=echo 4M", "pread=head -c $3 /dev/zero",
                                     "pwrite=cat > /dev/null", "can_write=exit 0",
                                     "can_flush=exit 0",
                                     "flush=echo EIO the disk is on fire >&2; exit 1"},
            socket);
        uri = server->uri();
    }

    std::string disk = directory.file("disk.img");
    std::unique_ptr<ForeignServer> server;
    std::string uri;
};

TEST_F(BlockctlProcess, HelpAndVersionGoToStdout) {
    EXPECT_EQ(run({"--help"}).output.rfind("Usage: blockctl COMMAND", 0), 0u);
    EXPECT_EQ(run({"copy", "--help"}).output.rfind("Usage: blockctl copy", 0), 0u);
    EXPECT_EQ(run({"--version"}).output.rfind("blockctl ", 0), 0u);
    for (const char* const word : {"--help", "--version"}) {
        EXPECT_EQ(run({word}).status, 0);
        EXPECT_EQ(run({word}).errors, "");
    }
}

TEST_F(BlockctlProcess, WrongUsageEndsWithTwo) {
    expect_complaint({}, 2, "no command");
    expect_complaint({"frob"}, 2, "'frob' is not a command");
    expect_complaint({"info", "disk.img"}, 2, "disk.img is not an NBD URI");
    expect_complaint({"info", "nbd+unix:///x"}, 2, "socket");
    expect_complaint({"read", "nbd://localhost/", "1K", "1"}, 2, "OFFSET is '1K'");
}

TEST_F(BlockctlProcess, ServerThatIsNotThereEndsWithThree) {
    const std::string uri = "nbd+unix:///x?socket=" + directory.file("nothing");
    expect_complaint({"info", uri}, 3, "cannot connect to " + uri);
    expect_complaint({"copy", uri, directory.file("x")}, 3, "cannot connect to " + uri);

    const std::string port = std::to_string(support::free_tcp_port());
    expect_complaint({"info", "nbd://127.0.0.1:" + port + "/"}, 3,
                     "nobody listens on 127.0.0.1:" + port);
}

TEST_F(BlockctlProcess, LocalFileThatFailsEndsWithFour) {
    expect_complaint({"copy", directory.file("nothing"), directory.file("x")}, 4,
                     directory.file("nothing") + ": No such file or directory");
    expect_complaint({"copy", directory.path(), directory.file("x")}, 4,
                     "is neither a file nor a block device");
    expect_complaint({"verify", directory.file("nothing"), directory.file("x")}, 4,
                     "No such file or directory");
    support::write_file(directory.file("in"), "abc");
    expect_complaint({"copy", directory.file("in"), directory.file("no/where")}, 4, "no/where");
}

TEST_F(BlockctlProcess, FileIsNotCopiedOntoItself) {
    const std::string file = directory.file("file");
    support::write_file(file, "precious");
    ASSERT_EQ(symlink(file.c_str(), directory.file("link").c_str()), 0);
    expect_complaint({"copy", file, directory.file("link")}, 4, "are the same file");
    EXPECT_EQ(support::read_file(file), "precious");
}

TEST_F(BlockctlProcess, CopiesAFileToAFileWithItsHoles) {
    const std::string source = directory.file("source");
    const std::string target = directory.file("target");
    support::make_sparse_file(source, 64 * mebibyte + 7);
    support::write_file(source, support::pattern(mebibyte, 1), 10 * mebibyte);
    support::write_file(source, "the end", 64 * mebibyte);
    const Outcome outcome = run({"copy", source, target});
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    EXPECT_EQ(outcome.errors, "") << "no progress where stderr is no terminal";
    EXPECT_TRUE(support::read_file(source) == support::read_file(target));
    EXPECT_LE(support::allocated_bytes(target), 2 * mebibyte);
    EXPECT_EQ(run({"verify", source, target, "--strict"}).status, 0);
}

TEST_F(BlockctlProcess, VerifyTellsSizesThatCannotBeEqual) {
    support::write_file(directory.file("a"), "0123456789");
    support::write_file(directory.file("b"), "01234");
    expect_complaint({"verify", directory.file("a"), directory.file("b")}, 1, "has 10 bytes, ");
    EXPECT_EQ(run({"verify", directory.file("b"), directory.file("a")}).status, 0);
    EXPECT_EQ(run({"verify", directory.file("b"), directory.file("a"), "--strict"}).status, 1);
}

TEST_F(BlockctlProcess, ProgressInJsonEndsWithDone) {
    support::write_file(directory.file("a"), support::pattern(mebibyte, 1));
    const Outcome outcome =
        run({"copy", directory.file("a"), directory.file("b"), "--progress=json"});
    EXPECT_EQ(outcome.status, 0);
    const size_t last = outcome.errors.rfind('{');
    ASSERT_NE(last, std::string::npos);
    EXPECT_EQ(
        outcome.errors.substr(last, 48).rfind("{\"done_bytes\":1048576,\"size_bytes\":1048576,", 0),
        0u)
        << outcome.errors;
    EXPECT_NE(outcome.errors.find("\"done\":true}\n", last), std::string::npos) << outcome.errors;
}

// Goal: a slip of the hand does not destroy a disk that is being served.
TEST_F(BlockdPeer, FileThatAnotherProcessOwnsIsNotOverwritten) {
    serve();
    support::write_file(directory.file("in"), "abc");
    const std::string complaint = "cannot overwrite " + disk + ": another process owns it";
    expect_complaint({"copy", directory.file("in"), disk}, 4, complaint);
    expect_complaint({"copy", uri, disk}, 4, complaint);
    expect_complaint({"read", uri, "0", "4096", "--output", disk}, 4, complaint);
    EXPECT_TRUE(support::read_file(disk) == bytes);
    EXPECT_EQ(daemon.terminate(), 0);
    EXPECT_EQ(run({"copy", directory.file("in"), disk}).status, 0);
    EXPECT_EQ(support::read_file(disk), "abc");
}

TEST_F(BlockdPeer, TerminalCannotBeSteeredByAnExport) {
    serve();
    for (const char* const command : {"list", "info"}) {
        const std::string text = run({command, uri}).output;
        EXPECT_NE(text.find("red \\xc2\\x9b31m"), std::string::npos) << text;
    }
}

TEST_F(BlockdPeer, ReadReplacesWhatTheOutputHeld) {
    serve();
    const std::string output = directory.file("out");
    support::write_file(output, support::pattern(2 * mebibyte, 22));
    EXPECT_EQ(run({"read", uri, "0", "4096", "--output", output}).status, 0);
    EXPECT_TRUE(support::read_file(output) == bytes.substr(0, 4096));
    EXPECT_EQ(run({"read", uri, "0", "4096", "--output", "/dev/null"}).status, 0);
}

TEST_F(BlockdPeer, ServerWithRoomForFewerConnectionsIsCopiedOverThose) {
    const std::string target = directory.file("target");
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"copy", uri, target},
                                                      {"copy", target, uri},
                                                      {"verify", target, uri}}) {
        // A new one each time: the connections of the one before may not be gone yet.
        serve(R"({"connections": 3})");
        const support::WireClient other({.unix_path = directory.file("s")});
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 0) << outcome.errors;
        EXPECT_EQ(outcome.errors, "");
        daemon.kill_now();
        EXPECT_NE(daemon.log().find("too many connections"), std::string::npos);
    }
    EXPECT_TRUE(support::read_file(target) == bytes);
}

TEST_F(NbdkitProcess, ReadOnlyExportIsNotWritten) {
    serve({"-r"});
    support::write_file(directory.file("in"), "abc");
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"write", uri, "0", directory.file("in")},
          {"zero", uri, "0", "1"},
          {"trim", uri, "0", "1"},
          {"copy", directory.file("in"), uri}}) {
        expect_complaint(arguments, 1, uri + " is read-only");
    }
}

TEST_F(NbdkitProcess, ErrorOfTheServerEndsWithThreeAndNamesTheOffset) {
    serve({"--filter=error", "error-pread=EIO", "error-rate=100%"});
    expect_complaint({"read", uri, "4096", "512"}, 3,
                     "cannot read 512 bytes at offset 4096 of " + uri);
    expect_complaint({"copy", uri, directory.file("x")}, 3, " of " + uri + ": ");
    expect_complaint({"verify", disk, uri}, 3, " of " + uri + ": ");
}

TEST_F(NbdkitProcess, ProgressInJsonIsNotDoneAfterAFailure) {
    serve({"--filter=error", "error-pread=EIO", "error-rate=100%"});
    for (const char* const command : {"copy", "verify"}) {
        support::write_file(directory.file("x"), support::pattern(4 * mebibyte, 9));
        const Outcome outcome = run({command, uri, directory.file("x"), "--progress=json"});
        EXPECT_EQ(outcome.status, 3);
        EXPECT_NE(outcome.errors.find("\"done\":false"), std::string::npos) << outcome.errors;
        EXPECT_EQ(outcome.errors.find("\"done\":true"), std::string::npos) << outcome.errors;
    }
}

// Where many requests fail, each in its own way, the words are those of the range.
TEST_F(NbdkitProcess, FailureIsToldInItsOwnWords) {
    const std::string socket = directory.file("s");
    server = std::make_unique<ForeignServer>(
        ServerKind::nbdkit,
        std::vector<std::string>{
            support::program_of(ServerKind::nbdkit), "-f", "-U", socket, "eval",
            "get_size=echo 16M",
            "pread=test $4 = 0 && echo EIO x >&2 || echo ENOMEM x >&2; exit 1"},
        socket);
    const Outcome outcome = run({"read", server->uri(), "0", "8MiB"});
    EXPECT_EQ(outcome.status, 3);
    const bool is_first = outcome.errors.find(" at offset 0 of ") != std::string::npos;
    EXPECT_NE(
        outcome.errors.find(is_first ? "bytes at offset 0: input/output error" : "out of memory"),
        std::string::npos)
        << outcome.errors;
}

TEST_F(NbdkitProcess, WriteErrorIsNotTakenForSuccess) {
    serve({"--filter=error", "error-pwrite=ENOSPC", "error-rate=100%"});
    support::write_file(directory.file("in"), support::pattern(mebibyte, 2));
    expect_complaint({"write", uri, "0", directory.file("in")}, 3, "cannot write ");
    expect_complaint({"copy", directory.file("in"), uri}, 3, "cannot write ");
}

TEST_F(NbdkitProcess, FailedFlushFailsTheCopy) {
    serve_failing_flush();
    support::write_file(directory.file("in"), support::pattern(mebibyte, 2));
    EXPECT_EQ(run({"copy", directory.file("in"), uri}).status, 3);
    EXPECT_EQ(run({"copy", directory.file("in"), uri, "--no-flush"}).status, 0);
    expect_complaint({"flush", uri}, 3, "cannot flush " + uri);
}

TEST_F(NbdkitProcess, ServersBlockSizesAreKept) {
    serve({"--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-preferred=65536",
           "blocksize-maximum=65536", "blocksize-error-policy=error"});
    const std::string bytes = support::pattern(3 * mebibyte, 3);
    EXPECT_EQ(run({"write", uri, "4096"}, bytes).status, 0);
    EXPECT_TRUE(run({"read", uri, "4096", "3MiB"}).output == bytes);
    expect_complaint({"read", uri, "1", "4096"}, 1, "multiples of 4096 bytes");

    support::write_file(directory.file("in"), bytes);
    EXPECT_EQ(run({"copy", directory.file("in"), uri, "--request-size=1MiB"}).status, 0);
    EXPECT_EQ(run({"verify", directory.file("in"), uri}).status, 0);
    support::write_file(directory.file("odd"), "abc");
    expect_complaint({"copy", directory.file("odd"), uri}, 1, "takes multiples of 4096 bytes");
}

TEST_F(NbdkitProcess, ServerThatOffersNothingIsToldApart) {
    serve({"--filter=nozero", "--filter=noextents", "zeromode=none"});
    expect_complaint({"zero", uri, "0", "1"}, 1, "does not offer zeroing for " + uri);
    const std::string source = directory.file("source");
    support::make_sparse_file(source, 3 * mebibyte);
    support::write_file(source, support::pattern(mebibyte, 4), mebibyte);
    EXPECT_EQ(run({"copy", source, uri}).status, 0);
    EXPECT_EQ(run({"verify", source, uri}).status, 0);

    const std::string target = directory.file("target");
    EXPECT_EQ(run({"copy", uri, target}).status, 0);
    EXPECT_LE(support::allocated_bytes(target), 5 * mebibyte / 2) << "zeros are found in the data";
}

TEST_F(NbdkitProcess, ServerThatDiesEndsTheCopyWithThree) {
    serve({"--filter=delay", "delay-read=30"});
    const Program::Files files = {.errors = directory.file("errors")};
    Program copy({blockctl_program(), "copy", uri, directory.file("x"), "--progress=json"}, files);
    ASSERT_TRUE(support::eventually([&] { return !support::read_file(files.errors).empty(); }));
    server.reset();
    EXPECT_EQ(copy.wait(), 3);
    EXPECT_NE(support::read_file(files.errors).find("blockctl: cannot read "), std::string::npos);
}

TEST_F(NbdkitProcess, SignalThatWasIgnoredAtTheStartStaysSo) {
    serve({"--filter=delay", "delay-read=1"});
    const Program::Files files = {.errors = directory.file("errors")};
    ::signal(SIGHUP, SIG_IGN);  // As nohup does.
    Program copy({blockctl_program(), "copy", uri, directory.file("x"), "--progress=json"}, files);
    ::signal(SIGHUP, SIG_DFL);
    ASSERT_TRUE(support::eventually([&] { return !support::read_file(files.errors).empty(); }));
    copy.signal(SIGHUP);
    EXPECT_EQ(copy.wait(), 0) << support::read_file(files.errors);
    EXPECT_TRUE(support::read_file(directory.file("x")) == support::read_file(disk));
}

TEST_F(NbdkitProcess, InterruptEndsWithAMessage) {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        // A new one each time: nbdkit 1.32 may end when a client goes while requests are delayed.
        serve({"--filter=delay", "delay-read=30"});
        const Program::Files files = {.errors = directory.file("errors")};
        Program copy({blockctl_program(), "copy", uri, directory.file("x"), "--progress=json"},
                     files);
        ASSERT_TRUE(support::eventually([&] { return !support::read_file(files.errors).empty(); }));
        copy.signal(signal_number);
        EXPECT_EQ(copy.wait(), 128 + signal_number);
        const std::string said = support::read_file(files.errors);
        EXPECT_NE(said.find("blockctl: interrupted\n"), std::string::npos) << said;
    }
}

TEST_F(NbdkitProcess, HugeSparseExportIsCopiedByItsExtents) {
    server = std::make_unique<ForeignServer>(
        ServerKind::nbdkit, disk, directory.file("s"),
        std::vector<std::string>{"--filter=truncate", "truncate=1T"});
    uri = server->uri();
    EXPECT_EQ(run({"copy", uri, "null:"}).status, 0);
    EXPECT_NE(run({"map", uri}).output.find("4194304        1099507433472  hole,zero"),
              std::string::npos);
}

}  // namespace
}  // namespace blockd::blockctl
