// How a server ends: drained, or cut off after its grace time.
#include <gtest/gtest.h>

#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "server/server.h"
#include "storage/memory_backend.h"
#include "support/daemon_process.h"
#include "support/held_backend.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::server {
namespace {

using io::OperationKind;
using support::WireClient;

constexpr uint64_t disk_size = 1u << 20;
constexpr uint64_t short_grace_ns = 50'000'000;

class MessageLog final : public Log {
  public:
    void write(LogLevel, std::string_view message, std::span<const LogField>) override {
        messages_.emplace_back(message);
    }
    size_t count(std::string_view message) const {
        return size_t(std::ranges::count(messages_, message));
    }

  private:
    std::vector<std::string> messages_;
};

// The server on this thread, one client on another.
class Stop : public ::testing::Test {
  protected:
    Stop() {
        support::make_sparse_file(directory_.file("disk.img"), disk_size);
        auto kqueue = io::make_kqueue_backend({.disk_workers = 2});
        auto held = std::make_unique<support::HeldBackend>(std::move(*kqueue), disk_size);
        backend = held.get();
        loop.emplace(std::move(held));
        auto opened =
            io::open_data_file({.path = directory_.file("disk.img"), .allow_weak_sync = true});
        file_ = std::get<io::DataFile>(opened);
    }
    ~Stop() override {
        if (client_.joinable()) client_.join();
        server.reset();
        loop.reset();
        io::close_data_file(file_);
    }

    void serve(uint64_t grace_ns) {
        ServerOptions options;
        options.limits.shutdown_grace_ns = grace_ns;
        options.exports.push_back({.name = "disk", .file = file_});
        server.emplace(*loop, log, options);
        const auto address = io::Address::unix_path(directory_.file("socket"));
        ASSERT_TRUE(bool(server->listen({.address = *address})));
    }
    void connect(std::function<void(WireClient&)> talk) {
        client_ = std::thread([this, talk = std::move(talk)] {
            WireClient client(support::Endpoint{.unix_path = directory_.file("socket")});
            client.attach("disk");
            talk(client);
        });
    }
    void run_until(const std::function<bool()>& condition) {
        support::Patience patience(30'000);
        while (!condition() && patience.wait()) loop->run_for_ns(1'000'000);
        EXPECT_TRUE(condition());
    }
    void begin_stop() { server->stop(io::bind<&Stop::stop_done>(this)); }
    StopReport stop() {
        begin_stop();
        run_until([this] { return report.has_value(); });
        return report.value_or(StopReport{});
    }
    void stop_done(StopReport stopped) { report = stopped; }

    support::HeldBackend* backend = nullptr;
    std::optional<io::Loop> loop;
    std::optional<Server> server;
    std::optional<StopReport> report;
    MessageLog log;

  private:
    support::TemporaryDirectory directory_;
    io::DataFile file_;
    std::thread client_;
};

TEST_F(Stop, WriteInFlightIsFinishedAnsweredAndSynced) {
    serve(30'000'000'000);
    backend->hold(OperationKind::write);
    connect([](WireClient& client) {
        EXPECT_TRUE(client.write(0, std::string(4096, 'x')).is_ok());
        EXPECT_TRUE(client.ends());
    });
    run_until([this] { return backend->held_count(OperationKind::write) == 1; });
    begin_stop();
    for (int turn = 0; turn < 20; ++turn) loop->run_for_ns(1'000'000);
    EXPECT_FALSE(report.has_value()) << "the write is in flight";
    backend->release(OperationKind::write);
    run_until([this] { return report.has_value(); });
    EXPECT_TRUE(report->is_clean);
    EXPECT_EQ(report->failed_exports, 0u);
    EXPECT_EQ(backend->durable_bytes(0, 4096), std::string(4096, 'x'));
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, WhatHangsIsCutOffAfterTheGraceTime) {
    serve(short_grace_ns);
    backend->hold(OperationKind::write);
    connect([](WireClient& client) {
        client.send_request({.command = support::wire::cmd_write, .size = 4096},
                            std::string(4096, 'x'));
        std::string rest;
        EXPECT_TRUE(client.ends(&rest));
    });
    run_until([this] { return backend->held_count(OperationKind::write) == 1; });
    EXPECT_FALSE(stop().is_clean);
    backend->release(OperationKind::write);
    run_until([this] { return server->connection_count() == 0; });
    run_until([this] { return loop->in_flight_count() == 0; });
}

// The reply to its GO is on its way: nothing tells this client of the shutdown but the drain.
TEST_F(Stop, ClientWhoseLastOptionIsBeingAnsweredIsDrained) {
    serve(3'600'000'000'000);
    backend->hold(OperationKind::send);
    backend->release_one(OperationKind::send);  // The greeting.
    connect([](WireClient& client) { EXPECT_TRUE(client.ends()); });
    run_until([this] { return backend->held_count(OperationKind::send) == 1; });
    begin_stop();
    backend->release(OperationKind::send);
    run_until([this] { return report.has_value(); });
    ASSERT_TRUE(report.has_value());
    EXPECT_TRUE(report->is_clean);
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, ClientThatIsCutOffIsLogged) {
    serve(short_grace_ns);
    std::atomic<bool> is_taken = false;
    connect([&is_taken](WireClient& client) {
        // The payload of the second one never comes.
        const support::RequestFields read = {.size = 512};
        client.send(support::request_bytes(read) +
                    support::request_bytes({.command = support::wire::cmd_write, .size = 4096}));
        EXPECT_TRUE(client.receive_answer(read).is_ok());
        is_taken = true;
        EXPECT_TRUE(client.ends());
    });
    run_until([&is_taken] { return is_taken.load(); });
    EXPECT_TRUE(stop().is_clean) << "what the disk was given is finished and synced";
    EXPECT_EQ(log.count("clients were not done when their grace time ended"), 1u);
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, StopNowDoesNotWaitForTheGraceTime) {
    serve(3'600'000'000'000);
    backend->hold(OperationKind::write);
    connect([](WireClient& client) {
        client.send_request({.command = support::wire::cmd_write, .size = 4096},
                            std::string(4096, 'x'));
        std::string rest;
        EXPECT_TRUE(client.ends(&rest));
    });
    run_until([this] { return backend->held_count(OperationKind::write) == 1; });
    begin_stop();
    server->stop_now();
    ASSERT_TRUE(report.has_value());
    EXPECT_FALSE(report->is_clean);
    backend->release(OperationKind::write);
    run_until([this] { return server->connection_count() == 0; });
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, LastSyncThatFailsIsReported) {
    serve(30'000'000'000);
    backend->fail_next(OperationKind::sync, -EIO);
    const StopReport stopped = stop();
    EXPECT_TRUE(stopped.is_clean);
    EXPECT_EQ(stopped.failed_exports, 1u);
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, SyncThatFailedEarlierIsReportedAndNotTriedAgain) {
    serve(30'000'000'000);
    backend->fail_next(OperationKind::sync, -EIO);
    connect([](WireClient& client) {
        EXPECT_EQ(client.flush().error, support::wire::eio);
        client.close();
    });
    run_until([this] {
        return backend->arrived_count(OperationKind::sync) == 1 && server->connection_count() == 0;
    });
    EXPECT_EQ(stop().failed_exports, 1u);
    EXPECT_EQ(backend->arrived_count(OperationKind::sync), 1u);
    run_until([this] { return loop->in_flight_count() == 0; });
}

TEST_F(Stop, IdleServerStopsAtOnce) {
    serve(30'000'000'000);
    EXPECT_TRUE(stop().is_clean);
    run_until([this] { return loop->in_flight_count() == 0; });
}

// The grace time and the last sync end in one turn, the sync first.
TEST(StopOnAClockOfItsOwn, GraceTimeThatEndsWithTheLastSyncIsNotBegunAnew) {
    auto owned = std::make_unique<testing::MemoryBackend>(
        testing::MemoryBackend::Options{.size = disk_size, .is_manual = true});
    testing::MemoryBackend& backend = *owned;
    io::Loop loop(std::move(owned));
    MessageLog log;
    ServerOptions options;
    options.exports.push_back({.name = "disk", .file = backend.file()});
    Server server(loop, log, options);
    struct Report {
        void stop_done(StopReport report) { stopped = report; }
        std::optional<StopReport> stopped;
    } report;
    server.stop(io::bind<&Report::stop_done>(&report));
    loop.tick();
    ASSERT_EQ(backend.pending_count(), 1u) << "the last sync";
    backend.finish(0);
    backend.next_poll_ns = options.limits.shutdown_grace_ns / 2;
    loop.flush(options.limits.shutdown_grace_ns);
    loop.tick();
    ASSERT_TRUE(report.stopped.has_value());
    EXPECT_TRUE(report.stopped->is_clean);
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

}  // namespace
}  // namespace blockd::server
