// A loop, a folder for sockets, and waiting with a deadline.
#pragma once

#include <blockd/client/client.h>
#include <blockd/io/loop.h>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "support/temporary_directory.h"

namespace blockd::client {

template <typename T>
class Awaited {
  public:
    io::Callback<Result<T>> callback() { return io::bind<&Awaited::arrived>(this); }
    bool has_arrived() const { return result_.has_value(); }
    const Result<T>& result() const { return *result_; }

  private:
    void arrived(Result<T> result) {
        EXPECT_FALSE(has_arrived()) << "one callback per request";
        result_.emplace(result);
    }

    std::optional<Result<T>> result_;
};

class ClientTest : public testing::Test {
  protected:
    ClientTest() : loop_(std::move(*io::make_kqueue_backend({.disk_workers = 1}))) {}

    std::string socket_path() const { return directory_.file("s"); }

    template <typename Condition>
    [[nodiscard]] bool run_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            loop_.run_for_ns(1'000'000);
        }
        return true;
    }

    template <typename T>
    Result<T> wait(Awaited<T>& awaited) {
        if (!run_until([&] { return awaited.has_arrived(); })) {
            ADD_FAILURE() << "the callback has not come";
            std::abort();
        }
        return awaited.result();
    }

    Result<Ok> connect(Client& client, const Client::ConnectOptions& options) {
        Awaited<Ok> connected;
        client.connect(options, connected.callback());
        EXPECT_FALSE(connected.has_arrived()) << "never inside the call";
        return wait(connected);
    }
    Result<Ok> disconnect(Client& client) {
        Awaited<Ok> disconnected;
        client.disconnect(disconnected.callback());
        EXPECT_FALSE(disconnected.has_arrived()) << "never inside the call";
        return wait(disconnected);
    }
    Result<Ok> read(Client& client, std::span<std::byte> buffer, uint64_t offset) {
        Transfer transfer;
        Awaited<Ok> done;
        client.read(transfer, buffer, {.offset = offset, .size = buffer.size()}, done.callback());
        EXPECT_FALSE(done.has_arrived()) << "never inside the call";
        return wait(done);
    }
    Result<Ok> write(Client& client, std::span<const std::byte> buffer, uint64_t offset) {
        Transfer transfer;
        Awaited<Ok> done;
        client.write(transfer, buffer, {.offset = offset, .size = buffer.size()}, done.callback());
        EXPECT_FALSE(done.has_arrived()) << "never inside the call";
        return wait(done);
    }
    Result<Ok> flush(Client& client) {
        Transfer transfer;
        Awaited<Ok> done;
        client.flush(transfer, done.callback());
        return wait(done);
    }

    support::TemporaryDirectory directory_;
    io::Loop loop_;
};

}  // namespace blockd::client
