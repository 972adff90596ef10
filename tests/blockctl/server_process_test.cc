// The real blockctl against each server that is installed: what it wrote must be in the file
// behind the server's back, and what is in the file must come out.

#include <gtest/gtest.h>

#include <algorithm>

#include "blockctl/run_blockctl.h"
#include "support/foreign_server.h"
#include "support/program.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {
namespace {

using support::ForeignServer;
using support::Program;
using support::ServerKind;

constexpr uint64_t mebibyte = 1 << 20;
constexpr uint64_t disk_size = 16 * mebibyte;

class ServerProcess : public testing::TestWithParam<ServerKind> {
  protected:
    void SetUp() override {
        if (support::program_of(GetParam()).empty()) {
            GTEST_SKIP() << support::name_of(GetParam()) << " is not installed";
        }
        support::make_sparse_file(disk, disk_size);
    }

    std::unique_ptr<ForeignServer> serve(const std::string& file, const std::string& socket) {
        return std::make_unique<ForeignServer>(GetParam(), file, directory.file(socket));
    }

    // Serves the disk as it is now.
    void serve() {
        server = serve(disk, "s");
        uri = server->uri();
    }

    Outcome run(const std::vector<std::string>& arguments, std::string_view input = "") {
        return run_blockctl(directory.path(), arguments, input);
    }

    // Runs it, expects success, and gives what it printed.
    std::string done(const std::vector<std::string>& arguments, std::string_view input = "") {
        const Outcome outcome = run(arguments, input);
        EXPECT_EQ(outcome.status, 0) << arguments[0] << ": " << outcome.errors;
        return outcome.output;
    }

    support::TemporaryDirectory directory;
    std::string disk = directory.file("disk.img");
    std::unique_ptr<ForeignServer> server;
    std::string uri;
};

TEST_P(ServerProcess, InfoTellsTheSize) {
    serve();
    EXPECT_NE(done({"info", uri}).find("16777216 bytes (16 MiB)"), std::string::npos);
    EXPECT_NE(done({"info", "--json", uri}).find("\"size_bytes\": 16777216"), std::string::npos);
}

TEST_P(ServerProcess, ListNamesTheExport) {
    serve();
    const std::string text = done({"list", uri});
    const char* const name = GetParam() == ServerKind::nbdkit ? "(default)" : "disk";
    EXPECT_EQ(text.substr(0, text.find_first_of("\t\n")), name);
}

TEST_P(ServerProcess, WrittenBytesAreInTheFileAndComeBack) {
    serve();
    const std::string bytes = support::pattern(3 * mebibyte, 1);
    done({"write", uri, "1MiB"}, bytes);
    EXPECT_TRUE(done({"read", uri, "1MiB", "3MiB"}) == bytes);

    done({"read", uri, "0", "5MiB", "--output", directory.file("out")});
    const std::string out = support::read_file(directory.file("out"));
    ASSERT_EQ(out.size(), 5 * mebibyte);
    EXPECT_TRUE(out.substr(mebibyte, bytes.size()) == bytes);

    done({"flush", uri});
    server->stop();
    EXPECT_TRUE(support::read_file(disk, mebibyte, bytes.size()) == bytes);
}

TEST_P(ServerProcess, WriteTakesAFileAndAnyOffset) {
    serve();
    const std::string bytes = support::pattern(10'001, 2);
    support::write_file(directory.file("in"), bytes);
    done({"write", uri, "4097", directory.file("in"), "--fua"});
    EXPECT_TRUE(done({"read", uri, "4097", "10001"}) == bytes);
    EXPECT_EQ(done({"read", uri, "4090", "7"}), std::string(7, '\0'));
}

TEST_P(ServerProcess, ReadOfNothingIsNothing) {
    serve();
    EXPECT_EQ(done({"read", uri, "0", "0"}), "");
    EXPECT_EQ(done({"read", uri, std::to_string(disk_size), "0"}), "");
}

TEST_P(ServerProcess, ZeroedRangeReadsAsZerosAndNeighboursStay) {
    support::write_file(disk, support::pattern(disk_size, 3));
    serve();
    if (done({"info", uri}).find("write_zeroes") == std::string::npos) {
        EXPECT_EQ(run({"zero", uri, "1MiB", "2MiB"}).status, 1);
        GTEST_SKIP() << support::name_of(GetParam()) << " does not offer zeroing";
    }
    done({"zero", uri, "1MiB", "2MiB"});
    done({"zero", uri, "8MiB", "64KiB", "--no-hole", "--fua"});
    std::string expected = support::pattern(disk_size, 3);
    std::fill_n(expected.begin() + mebibyte, 2 * mebibyte, '\0');
    std::fill_n(expected.begin() + 8 * mebibyte, 64 << 10, '\0');
    EXPECT_TRUE(done({"read", uri, "0", "16MiB"}) == expected);
}

TEST_P(ServerProcess, TrimmedRangeLeavesNeighbours) {
    const std::string bytes = support::pattern(disk_size, 4);
    support::write_file(disk, bytes);
    serve();
    done({"trim", uri, "4MiB", "4MiB", "--fua"});
    EXPECT_TRUE(done({"read", uri, "0", "4MiB"}) == bytes.substr(0, 4 * mebibyte));
    EXPECT_TRUE(done({"read", uri, "8MiB", "8MiB"}) == bytes.substr(8 * mebibyte));
}

TEST_P(ServerProcess, MapCoversTheExport) {
    support::write_file(disk, support::pattern(mebibyte, 5), 4 * mebibyte);
    serve();
    const std::string text = done({"map", uri});
    if (done({"info", uri}).find("base:allocation") == std::string::npos) {
        EXPECT_NE(text.find("0             16777216  data"), std::string::npos) << text;
    } else {
        EXPECT_NE(text.find("0              4194304  hole,zero"), std::string::npos) << text;
        EXPECT_NE(text.find("4194304              1048576  data"), std::string::npos) << text;
        EXPECT_NE(text.find("5242880             11534336  hole,zero"), std::string::npos) << text;
    }
}

TEST_P(ServerProcess, CopyInWritesTheFileAndOverwritesWhatWasThere) {
    support::write_file(disk, support::pattern(disk_size, 6));
    serve();
    const std::string source = directory.file("source");
    support::make_sparse_file(source, 10 * mebibyte);
    support::write_file(source, support::pattern(3 * mebibyte + 5, 7), 2 * mebibyte + 3);
    done({"copy", source, uri});
    done({"verify", source, uri});
    server->stop();

    const std::string behind = support::pattern(disk_size, 6).substr(10 * mebibyte);
    EXPECT_TRUE(support::read_file(disk, 0, 10 * mebibyte) == support::read_file(source));
    EXPECT_TRUE(support::read_file(disk, 10 * mebibyte, 6 * mebibyte) == behind);
}

TEST_P(ServerProcess, CopyOutMakesASparseFileInsteadOfTheOldOne) {
    support::write_file(disk, support::pattern(mebibyte, 8), 7 * mebibyte);
    serve();
    const std::string target = directory.file("target");
    support::write_file(target, support::pattern(2 * disk_size, 9));
    done({"copy", uri, target, "--requests=8", "--request-size=64KiB", "--connections=2"});
    EXPECT_TRUE(support::read_file(target) == support::read_file(disk));
    EXPECT_LE(support::allocated_bytes(target), 2 * mebibyte);
}

TEST_P(ServerProcess, CopyGoesFromServerToServer) {
    support::write_file(disk, support::pattern(disk_size, 10));
    serve();
    const std::string other = directory.file("other.img");
    support::make_sparse_file(other, disk_size + mebibyte);
    const auto other_server = serve(other, "t");
    done({"copy", uri, other_server->uri()});
    EXPECT_EQ(run({"verify", uri, other_server->uri()}).status, 0);
    EXPECT_EQ(run({"verify", uri, other_server->uri(), "--strict"}).status, 1);
    other_server->stop();
    EXPECT_TRUE(support::read_file(other, 0, disk_size) == support::read_file(disk));
}

TEST_P(ServerProcess, VerifyTellsTheFirstDifference) {
    std::string bytes = support::pattern(disk_size, 11);
    support::write_file(disk, bytes);
    serve();
    bytes[5'000'123] = char(bytes[5'000'123] ^ 1);
    bytes[9'000'000] = char(bytes[9'000'000] ^ 1);
    support::write_file(directory.file("other"), bytes);
    const Outcome outcome = run({"verify", directory.file("other"), uri});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.errors.find("differ at offset 5000123"), std::string::npos) << outcome.errors;
}

TEST_P(ServerProcess, TargetThatIsTooSmallNamesBothSizesAndStaysAsItIs) {
    serve();
    support::write_file(directory.file("big"), support::pattern(disk_size + 1, 12));
    const Outcome outcome = run({"copy", directory.file("big"), uri});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.errors.find("has 16777216 bytes, too few for the 16777217 bytes of"),
              std::string::npos)
        << outcome.errors;
    server->stop();
    EXPECT_EQ(support::read_file(disk), std::string(disk_size, '\0'));
}

TEST_P(ServerProcess, RangePastTheEndIsRefusedBeforeItIsSent) {
    serve();
    for (const char* const command : {"read", "zero", "trim"}) {
        const Outcome outcome = run({command, uri, "16MiB", "1"});
        EXPECT_EQ(outcome.status, 1) << command;
        EXPECT_EQ(outcome.output, "");
    }
    const Outcome write = run({"write", uri, "16777210"}, "0123456789");
    EXPECT_EQ(write.status, 1);
    EXPECT_NE(write.errors.find("10 bytes at offset 16777210 pass the end of " + uri),
              std::string::npos)
        << write.errors;
}

TEST_P(ServerProcess, UnknownExportIsRefusedInTheServersWords) {
    if (GetParam() == ServerKind::nbdkit) GTEST_SKIP() << "nbdkit takes any export name";
    serve();
    const Outcome outcome = run({"info", server->uri("nowhere")});
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find("nowhere"), std::string::npos) << outcome.errors;
    EXPECT_EQ(run({"copy", server->uri("nowhere"), directory.file("x")}).status, 3);
}

INSTANTIATE_TEST_SUITE_P(Peers, ServerProcess,
                         testing::Values(ServerKind::nbdkit, ServerKind::qemu_nbd,
                                         ServerKind::nbd_server, ServerKind::blockd),
                         [](const auto& instance) { return support::name_of(instance.param); });

}  // namespace
}  // namespace blockd::blockctl
