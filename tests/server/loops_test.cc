// Several loops serve one export: what they share of it stays whole.
#include <gtest/gtest.h>

#include <blockd/io/loop.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/data_file_opening.h"
#include "server/server.h"
#include "support/silent_log.h"
#include "support/temporary_directory.h"
#include "support/wire_client.h"

namespace blockd::support {
namespace {

constexpr uint32_t block_size = 4096;  // Of the file, as far as the server knows.
constexpr uint32_t sector_size = 512;  // What one client writes of a block.
constexpr uint32_t clients_count = block_size / sector_size;
constexpr uint32_t blocks_count = 4;  // Few: the clients meet.
constexpr uint32_t rounds_count = 200;

class Loops : public ::testing::TestWithParam<uint64_t> {  // The cache's size.
  protected:
    static constexpr size_t loops_count = 4;

    void SetUp() override {
        const std::string path = directory_.file("disk.img");
        auto opened = io::open_data_file({.path = path,
                                          .purpose = io::DataFilePurpose::format,
                                          .size = mebibyte,
                                          .allow_weak_sync = true,
                                          .direct = false});
        ASSERT_TRUE(std::holds_alternative<io::DataFile>(opened));
        file_ = std::get<io::DataFile>(opened);
        file_.alignment = block_size;  // What is smaller is widened.
        main_ = std::thread([this] { run(); });
        while (!is_ready_) std::this_thread::yield();
    }

    void TearDown() override {
        is_stop_wanted_ = true;
        main_.join();
        io::close_data_file(file_);
    }

    WireClient attach() const {
        WireClient client(Endpoint{.unix_path = directory_.file("socket")});
        client.attach("disk");
        return client;
    }

  private:
    void run() {
        std::vector<std::unique_ptr<io::Loop>> owned;
        std::vector<io::Loop*> loops;
        while (loops.size() < loops_count) {
            auto made = io::make_backend(io::BackendKind::automatic, {.disk_workers = 2});
            ASSERT_TRUE(made);
            owned.push_back(std::make_unique<io::Loop>(std::move(made->backend)));
            loops.push_back(owned.back().get());
        }
        server::ServerOptions options;
        options.exports.push_back({.name = "disk", .cache_size = GetParam(), .file = file_});
        server::Server server(loops, log_, options);
        std::vector<std::thread> threads;
        for (size_t index = 1; index < loops.size(); ++index) {
            threads.emplace_back([loop = loops[index]] {
                while (loop->in_flight_count() > 0) loop->flush(io::loop_wait_ns_max);
            });
        }
        serve(*loops.front(), server);
        for (std::thread& thread : threads) thread.join();
    }

    void serve(io::Loop& loop, server::Server& server) {
        const auto address = io::Address::unix_path(directory_.file("socket"));
        ASSERT_TRUE(server.listen({.address = *address}));
        is_ready_ = true;
        while (!is_stop_wanted_) loop.run_for_ns(1'000'000);
        server.stop(io::bind<&Loops::stop_done>(this));
        while (!is_stopped_) loop.run_for_ns(1'000'000);
        EXPECT_EQ(loop.in_flight_count(), 0u);
    }

    void stop_done(server::StopReport report) {
        is_stopped_ = true;
        EXPECT_TRUE(report.is_clean);
        EXPECT_EQ(report.failed_exports, 0u);
    }

    TemporaryDirectory directory_;
    SilentLog log_;
    io::DataFile file_;
    std::thread main_;
    std::atomic<bool> is_ready_ = false;
    std::atomic<bool> is_stop_wanted_ = false;
    bool is_stopped_ = false;
};

std::string sector(uint32_t client, uint32_t block, uint32_t round) {
    return pattern(sector_size, client * 1'000'000 + block * 10'000 + round);
}

uint64_t sector_offset(uint32_t client, uint32_t block) {
    return uint64_t(block) * block_size + uint64_t(client) * sector_size;
}

// Each write reads its block, changes a part, and writes the block back.
TEST_P(Loops, WritesThatShareABlockLoseNothing) {
    std::vector<std::thread> threads;
    for (uint32_t number = 0; number < clients_count; ++number) {
        threads.emplace_back([this, number] {
            WireClient client = attach();
            for (uint32_t round = 0; round < rounds_count; ++round) {
                const uint32_t block = (round + number) % blocks_count;
                const uint64_t offset = sector_offset(number, block);
                const uint16_t flags = round % 8 == 7 ? wire::flag_fua : uint16_t(0);
                const std::string written = sector(number, block, round);
                EXPECT_TRUE(client.write(offset, written, flags).is_ok());
                EXPECT_TRUE(client.read(offset, sector_size).data == written)
                    << "client " << number << ", round " << round;
                if (round % 50 != 49) continue;
                EXPECT_TRUE(client.flush().is_ok());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();

    WireClient client = attach();
    for (uint32_t number = 0; number < clients_count; ++number) {
        for (uint32_t block = 0; block < blocks_count; ++block) {
            uint32_t last = rounds_count - 1;
            while ((last + number) % blocks_count != block) --last;
            EXPECT_TRUE(client.read(sector_offset(number, block), sector_size).data ==
                        sector(number, block, last))
                << "client " << number << ", block " << block;
        }
    }
}

// What one client was told is written, another one reads, whichever loops serve them.
TEST_P(Loops, WhatIsAnsweredOnOneIsSeenOnAll) {
    std::vector<WireClient> clients;
    for (size_t index = 0; index < 2 * loops_count; ++index) clients.push_back(attach());
    for (uint32_t round = 0; round < rounds_count; ++round) {
        const uint64_t offset = uint64_t(round % blocks_count) * block_size;
        const std::string written = pattern(block_size, round);
        WireClient& writer = clients[round % clients.size()];
        if (round % 16 == 15) {
            EXPECT_TRUE(writer.write_zeroes(offset, block_size).is_ok());
        } else {
            EXPECT_TRUE(writer.write(offset, written).is_ok());
        }
        const std::string expected = round % 16 == 15 ? std::string(block_size, '\0') : written;
        for (WireClient& reader : clients) {
            EXPECT_TRUE(reader.read(offset, block_size).data == expected) << "round " << round;
        }
    }
}

// Many readers in sequence: some wait for what was read ahead for another loop's client.
TEST_P(Loops, ReadersInSequenceShareWhatIsReadAhead) {
    const std::string content = pattern(mebibyte, 1);
    {
        WireClient writer = attach();
        EXPECT_TRUE(writer.write(0, content).is_ok());
        EXPECT_TRUE(writer.flush().is_ok());
    }
    std::vector<std::thread> threads;
    for (size_t index = 0; index < 2 * loops_count; ++index) {
        threads.emplace_back([this, &content] {
            WireClient client = attach();
            constexpr uint32_t step = 16'384;
            for (uint64_t offset = 0; offset < content.size(); offset += step) {
                EXPECT_TRUE(client.read(offset, step).data == content.substr(offset, step));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Caches, Loops, ::testing::Values(0, mebibyte),
                         [](const auto& tested) { return tested.param == 0 ? "None" : "One"; });

}  // namespace
}  // namespace blockd::support
