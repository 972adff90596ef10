// Goal: a request costs no allocation, anywhere in the process.
// Method: operator new is counted. A client that allocates nothing itself sends every kind of
// request to a server in this process, first to warm up, then for the count.
#include <gtest/gtest.h>

#include <blockd/io/data_file.h>
#include <blockd/io/loop.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "server/server.h"
#include "support/allocation_count.h"
#include "support/silent_log.h"
#include "support/temporary_directory.h"

namespace blockd::server {
namespace {

constexpr uint64_t disk_size = 64u << 20;

class ServerThread {
  public:
    ServerThread() : thread_([this] { run(); }) {
        while (!is_ready_) std::this_thread::yield();
    }
    ~ServerThread() {
        is_stop_wanted_ = true;
        thread_.join();
    }
    std::string socket_path() const { return directory_.file("socket"); }

  private:
    void run() {
        support::make_sparse_file(directory_.file("disk.img"), disk_size);
        auto opened =
            io::open_data_file({.path = directory_.file("disk.img"), .allow_weak_sync = true});
        auto& file = std::get<io::DataFile>(opened);
        {
            io::Loop loop(std::move(*io::make_kqueue_backend({.disk_workers = 4})));
            support::SilentLog log;
            ServerOptions options;
            options.exports.push_back({.name = "disk", .file = file});
            Server server(loop, log, options);
            const auto address = io::Address::unix_path(socket_path());
            ASSERT_TRUE(bool(server.listen({.address = *address})));
            is_ready_ = true;
            while (!is_stop_wanted_) loop.run_for_ns(5'000'000);
            server.stop(io::bind<&ServerThread::stop_done>(this));
            while (!is_stopped_) loop.run_for_ns(5'000'000);
        }
        io::close_data_file(file);
    }
    void stop_done(StopReport) { is_stopped_ = true; }

    support::TemporaryDirectory directory_;
    std::atomic<bool> is_ready_ = false;
    std::atomic<bool> is_stop_wanted_ = false;
    bool is_stopped_ = false;
    std::thread thread_;
};

// Simple replies, one request at a time or a batch of reads; no memory but its own.
class FrugalClient {
  public:
    explicit FrugalClient(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
        EXPECT_EQ(connect(socket_, generic, sizeof(address)), 0);
        receive(18);
        // Flags; then IHAVEOPT, EXPORT_NAME, the length and the name.
        send(std::string_view("\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\4disk", 24));
        receive(10);
    }
    ~FrugalClient() { ::close(socket_); }

    struct Fields {
        uint8_t command;
        uint8_t flags = 0;
        uint64_t offset = 0;
        uint32_t size = 0;
    };
    void request(const Fields& fields) {
        std::array<char, 28> header{0x25, 0x60, char(0x95), 0x13};
        header[5] = char(fields.flags);
        header[7] = char(fields.command);
        for (size_t index = 0; index < 8; ++index) {
            header[16 + index] = char(fields.offset >> (56 - 8 * index));
        }
        for (size_t index = 0; index < 4; ++index) {
            header[24 + index] = char(fields.size >> (24 - 8 * index));
        }
        send({header.data(), header.size()});
        if (fields.command == 1) send({memory_.data(), fields.size});
    }
    void answer(uint32_t data_size) {
        receive(16);
        EXPECT_EQ(memory_[7], 0) << "the error";
        receive(data_size);
    }

  private:
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), 0);
            if (sent <= 0) std::abort();
            bytes.remove_prefix(size_t(sent));
        }
    }
    void receive(size_t size) {
        for (size_t filled = 0; filled < size;) {
            const ssize_t got = recv(socket_, memory_.data() + filled, size - filled, 0);
            if (got <= 0) std::abort();
            filled += size_t(got);
        }
    }

    int socket_;
    std::array<char, 4u << 20> memory_{};
};

void send_every_kind(FrugalClient& client) {
    constexpr uint8_t read = 0, write = 1, flush = 3, trim = 4, cache = 5, zeroes = 6;
    const FrugalClient::Fields kinds[] = {
        {.command = read, .offset = 4096, .size = 4096},
        {.command = read, .offset = 1001, .size = 3u << 20},
        {.command = write, .offset = 8192, .size = 4096},
        {.command = write, .flags = 1, .offset = 8192, .size = 65'536},
        {.command = write, .offset = 12'345, .size = 70'000},
        {.command = write, .offset = 5, .size = 2u << 20},
        {.command = flush},
        {.command = trim, .offset = 1u << 20, .size = 1u << 20},
        {.command = cache, .offset = 0, .size = 4096},
        {.command = zeroes, .offset = 777, .size = 200'000},
        {.command = zeroes, .flags = 2, .offset = 777, .size = 200'000},
    };
    for (const FrugalClient::Fields& fields : kinds) {
        client.request(fields);
        client.answer(fields.command == read ? fields.size : 0);
    }
    for (uint64_t index = 0; index < 100; ++index) {
        client.request({.command = read, .offset = index * 4096, .size = 4096});
    }
    for (uint64_t index = 0; index < 100; ++index) client.answer(4096);
}

TEST(Allocation, NoneHappensPerRequest) {
    ServerThread server;
    auto client = std::make_unique<FrugalClient>(server.socket_path());
    for (int round = 0; round < 10; ++round) send_every_kind(*client);

    const uint64_t count_before = support::allocation_count();
    for (int round = 0; round < 50; ++round) send_every_kind(*client);
    EXPECT_EQ(support::allocation_count(), count_before) << "in 5,550 requests";
}

TEST(Allocation, TheCounterCounts) {
    const uint64_t count_before = support::allocation_count();
    const auto allocated = std::make_unique<int>(1);
    EXPECT_EQ(*allocated, 1);
    EXPECT_GE(support::allocation_count(), count_before + 1);
}

}  // namespace
}  // namespace blockd::server
