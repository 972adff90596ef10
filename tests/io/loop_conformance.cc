#include "io/loop_conformance.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blockd::io {

std::string backend_choice_name(const testing::TestParamInfo<BackendChoice>& info) {
    return info.param.name;
}

LoopConformance::LoopConformance() : loop(make_backend()) {}

std::unique_ptr<Backend> LoopConformance::make_backend(const BackendOptions& options) {
    Result<std::unique_ptr<Backend>> backend = GetParam().make(options);
    EXPECT_TRUE(backend);
    return std::move(*backend);
}

std::array<Fd, 2> LoopConformance::make_socket_pair() {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()), 0);
    for (const int socket : sockets) {
        EXPECT_EQ(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK), 0);
    }
    return {static_cast<Fd>(sockets[0]), static_cast<Fd>(sockets[1])};
}

void LoopConformance::close(Fd fd) {
    Outcome<Ok> closed;
    loop.close(closed.completion, {.fd = fd}, closed.callback());
    run_until_done(closed);
    EXPECT_TRUE(closed.has_value());
}

Fd LoopConformance::listen_on_loopback(int32_t backlog) {
    const Result<Fd> listener =
        loop.listen({.address = *Address::ip("127.0.0.1", 0), .backlog = backlog});
    EXPECT_TRUE(listener);
    return *listener;
}

std::array<Fd, 2> LoopConformance::make_tcp_pair() {
    const Fd listener = listen_on_loopback();
    const Address address = address_of(listener);
    const Fd client = open_tcp_socket();
    Outcome<Fd> accepted;
    Outcome<Ok> connected;
    loop.accept(accepted.completion, {.listener = listener}, accepted.callback());
    loop.connect(connected.completion, {.socket = client, .address = &address},
                 connected.callback());
    run_until_done(accepted, connected);
    EXPECT_TRUE(accepted.has_value());
    EXPECT_TRUE(connected.has_value());
    close(listener);
    return {client, accepted.value()};
}

std::string read_available(Fd fd, size_t size_max) {
    std::string text(size_max, '\0');
    const ssize_t count = ::read(static_cast<int>(fd), text.data(), text.size());
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
}

void write_all(Fd fd, const std::string& text) {
    ASSERT_EQ(::write(static_cast<int>(fd), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
}

}  // namespace blockd::io
