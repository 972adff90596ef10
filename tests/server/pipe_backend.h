// The backend of a server with one client, all of it in plain memory: the socket is what the client
// has sent and what it was sent, the disk an array, the clock a number. It makes no system call and
// allocates in its constructor alone, so that what a request costs on it is the server's own work,
// beside one copy of the data on the side of the socket and one on the side of the disk.
#pragma once

#include <blockd/io/backend.h>
#include <blockd/io/data_file.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace blockd::server {

class PipeBackend final : public io::Backend {
  public:
    struct Options {
        uint64_t disk_size;
        uint64_t received_size_max;  // Of what the client has not forgotten.
    };

    explicit PipeBackend(const Options& options);

    io::DataFile file() const;
    std::span<std::byte> disk() { return disk_; }

    // The client. What it sends stays put until the server has taken it; it hangs up once the
    // server does.
    void connect() { is_connecting_ = true; }
    void send(std::span<const std::byte> bytes);
    std::span<const std::byte> received() const;
    void forget_received() { received_size_ = 0; }

    const char* name() const override { return "pipe"; }
    uint64_t now_ns() override { return now_ns_; }
    void submit(io::CompletionList& submitted, io::CompletionList& completed) override;
    void poll(io::CompletionList& completed, uint64_t wait_ns) override;
    void cancel(io::Completion& completion, io::CompletionList& completed) override;
    void wake() override {}
    uint32_t disk_depth() const override { return 32; }
    Result<io::Fd> open_socket(io::AddressFamily family) override;
    Result<io::Fd> listen(const io::ListenOptions& options) override;
    void shutdown(io::Fd socket, io::ShutdownKind kind) override;
    Result<io::Address> local_address(io::Fd socket) override;
    Result<io::Address> peer_address(io::Fd socket) override;

  private:
    void begin(io::Completion& completion, io::CompletionList& completed);
    void attempt_accept(io::CompletionList& completed);
    void attempt_receive(io::CompletionList& completed);
    int64_t receive(const io::Operation& operation);
    int64_t take_reply(const io::Operation& operation);
    int64_t access_disk(const io::Operation& operation);

    std::vector<std::byte> disk_;
    std::vector<std::byte> received_;
    uint64_t received_size_ = 0;
    std::span<const std::byte> sent_;  // What the server has not taken yet.
    io::Completion* acceptor_ = nullptr;
    io::Completion* reader_ = nullptr;
    io::CompletionList disk_operations_;  // They end with the next poll.
    uint64_t now_ns_ = 1;
    bool is_connecting_ = false;
    bool is_hung_up_ = false;
};

}  // namespace blockd::server
