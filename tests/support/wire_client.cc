// Bytes and the handshake. The transmission phase is in wire_commands.cc.
#include "support/wire_client.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace blockd::support {
namespace {

// What an option reply may promise before the client calls it nonsense.
constexpr uint32_t option_answer_size_max = 64 * 1024;
constexpr size_t option_answers_max = 5000;

int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Waits until the socket is ready for `events`; false when the deadline has passed.
bool wait_ready(int socket, short events, int64_t deadline_ms) {
    for (;;) {
        const int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0) return false;
        pollfd entry = {.fd = socket, .events = events, .revents = 0};
        const int ready = poll(&entry, 1, static_cast<int>(left_ms));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

// A socket that connects without blocking: a listener whose queue is full would hold connect() up
// for as long as it likes.
int open_socket(int family) {
    signal(SIGPIPE, SIG_IGN);  // MSG_NOSIGNAL is not everywhere.
    const int descriptor = socket(family, SOCK_STREAM, 0);
    if (descriptor < 0) return -1;
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    const int on = 1;
    if (family != AF_UNIX) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return descriptor;
}

// False, with errno, when nobody took the connection in time.
bool finish_connect(int descriptor, const sockaddr* address, socklen_t size, int64_t deadline_ms) {
    while (connect(descriptor, address, size) != 0) {
        if (errno == EISCONN) return true;
        if (errno == EINPROGRESS || errno == EALREADY) {
            if (!wait_ready(descriptor, POLLOUT, deadline_ms)) return false;
        } else if (errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (now_ms() >= deadline_ms) {
            return false;
        } else {
            poll(nullptr, 0, 1);  // The queue of a unix listener is full: nothing tells of room.
        }
    }
    return true;
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

SocketAddress address_of(const Endpoint& endpoint) {
    SocketAddress result;
    if (!endpoint.unix_path.empty()) {
        auto& address = reinterpret_cast<sockaddr_un&>(result.storage);
        address.sun_family = AF_UNIX;
        endpoint.unix_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        result.size = sizeof(address);
    } else if (endpoint.is_ipv6) {
        auto& address = reinterpret_cast<sockaddr_in6&>(result.storage);
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(endpoint.port);
        address.sin6_addr = in6addr_loopback;
        result.size = sizeof(address);
    } else {
        auto& address = reinterpret_cast<sockaddr_in&>(result.storage);
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        result.size = sizeof(address);
    }
    return result;
}

int connect_to(const Endpoint& endpoint, int32_t timeout_ms) {
    const SocketAddress address = address_of(endpoint);
    const int descriptor = open_socket(address.storage.ss_family);
    if (descriptor < 0) return -1;
    const auto* const pointer = reinterpret_cast<const sockaddr*>(&address.storage);
    if (finish_connect(descriptor, pointer, address.size, now_ms() + timeout_ms)) {
        return descriptor;
    }
    const int error = errno;
    ::close(descriptor);
    errno = error;
    return -1;
}

void take_info(ExportFacts& facts, const std::string& data) {
    const uint16_t type = read_u16(data, 0);
    if (type == wire::info_export && data.size() == 12) {
        facts.has_export = true;
        facts.size = read_u64(data, 2);
        facts.flags = read_u16(data, 10);
    } else if (type == wire::info_name) {
        facts.has_name = true;
        facts.name = data.substr(2);
    } else if (type == wire::info_description) {
        facts.has_description = true;
        facts.description = data.substr(2);
    } else if (type == wire::info_block_size && data.size() == 14) {
        facts.has_block_size = true;
        facts.block_size_minimum = read_u32(data, 2);
        facts.block_size_preferred = read_u32(data, 6);
        facts.block_size_maximum = read_u32(data, 10);
    } else {
        facts.other_types.push_back(type);
    }
}

}  // namespace

WireClient::WireClient(const Endpoint& endpoint)
    : socket_(connect_to(endpoint, timeout_ms_default)) {
    is_broken_ = false;
    if (socket_ < 0) fail(std::string("cannot connect: ") + strerror(errno));
}

WireClient::WireClient(WireClient&& other) noexcept { *this = std::move(other); }

WireClient& WireClient::operator=(WireClient&& other) noexcept {
    if (this == &other) return *this;
    close();
    socket_ = std::exchange(other.socket_, -1);
    is_broken_ = std::exchange(other.is_broken_, true);
    timeout_ms_ = other.timeout_ms_;
    cookie_last_ = other.cookie_last_;
    context_id_ = other.context_id_;
    return *this;
}

WireClient::~WireClient() { close(); }

WireClient WireClient::try_connect(const Endpoint& endpoint) {
    WireClient client;
    client.socket_ = connect_to(endpoint, timeout_ms_default);
    client.is_broken_ = client.socket_ < 0;
    return client;
}

bool WireClient::can_connect(const Endpoint& endpoint) {
    const int descriptor = connect_to(endpoint, 100);
    if (descriptor < 0) return false;
    ::close(descriptor);
    return true;
}

void WireClient::fail(const std::string& reason) {
    is_broken_ = true;
    ADD_FAILURE() << "NBD client: " << reason;
}

void WireClient::send(std::string_view bytes) {
    if (is_broken_) return;
    if (!try_send(bytes)) fail("the server closed, or took nothing, while the client sent");
}

bool WireClient::try_send(std::string_view bytes) {
    if (is_broken_) return false;
    const int64_t deadline_ms = now_ms() + timeout_ms_;
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), 0);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!wait_ready(socket_, POLLOUT, deadline_ms)) {
            return false;
        }
    }
    return true;
}

std::string WireClient::receive(size_t size) {
    if (is_broken_) return {};
    std::string bytes;
    if (try_receive(size, &bytes)) return bytes;
    fail("the server closed, or said nothing in time, after " + std::to_string(bytes.size()) +
         " of " + std::to_string(size) + " bytes");
    return {};
}

bool WireClient::try_receive(size_t size, std::string* bytes) {
    bytes->assign(size, '\0');
    size_t count = 0;
    const int64_t deadline_ms = now_ms() + timeout_ms_;
    while (count < size && !is_broken_) {
        const ssize_t received = recv(socket_, bytes->data() + count, size - count, 0);
        if (received > 0) {
            count += static_cast<size_t>(received);
        } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
            stream_error_ = received == 0 ? 0 : errno;
            break;
        } else if (!wait_ready(socket_, POLLIN, deadline_ms)) {
            stream_error_ = ETIMEDOUT;
            break;
        }
    }
    bytes->resize(count);
    return count == size;
}

bool WireClient::has_input() {
    if (is_broken_) return true;
    pollfd entry = {.fd = socket_, .events = POLLIN, .revents = 0};
    return poll(&entry, 1, 0) > 0;
}

bool WireClient::ends(std::string* rest) {
    if (is_broken_) return false;
    const int64_t deadline_ms = now_ms() + timeout_ms_;
    std::string bytes;
    char piece[4096];
    for (;;) {
        const ssize_t received = recv(socket_, piece, sizeof(piece), 0);
        if (received > 0) {
            bytes.append(piece, static_cast<size_t>(received));
        } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        } else if (!wait_ready(socket_, POLLIN, deadline_ms)) {
            return false;
        }
    }
    if (rest != nullptr) *rest = bytes;
    return rest != nullptr || bytes.empty();
}

void WireClient::shut_down_sending() {
    if (socket_ >= 0) shutdown(socket_, SHUT_WR);
}

void WireClient::close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
    is_broken_ = true;
}

uint16_t WireClient::receive_greeting() {
    const std::string greeting = receive(18);
    if (is_broken_) return 0;
    EXPECT_EQ(read_u64(greeting, 0), wire::greeting_magic);
    EXPECT_EQ(read_u64(greeting, 8), wire::option_magic);
    return read_u16(greeting, 16);
}

void WireClient::greet(uint32_t client_flags) {
    receive_greeting();
    send(WireBytes().u32(client_flags).bytes());
}

void WireClient::send_option(uint32_t option, std::string_view data) {
    send(option_bytes(option, data));
}

OptionAnswer WireClient::receive_option_answer() {
    const std::string head = receive(20);
    if (is_broken_) return {};
    OptionAnswer answer = {.option = read_u32(head, 8), .type = read_u32(head, 12)};
    const uint32_t size = read_u32(head, 16);
    if (read_u64(head, 0) != wire::option_reply_magic || size > option_answer_size_max) {
        fail("this is no option reply");
        return {};
    }
    answer.data = receive(size);
    return answer;
}

std::vector<OptionAnswer> WireClient::receive_option_answers(uint32_t option) {
    std::vector<OptionAnswer> answers;
    while (!is_broken_ && answers.size() < option_answers_max) {
        answers.push_back(receive_option_answer());
        if (is_broken_) break;
        const OptionAnswer& answer = answers.back();
        EXPECT_EQ(answer.option, option);
        if (answer.is_error() || answer.type == wire::rep_ack) return answers;
    }
    return {{}};
}

std::vector<OptionAnswer> WireClient::ask(uint32_t option, std::string_view data) {
    send_option(option, data);
    return receive_option_answers(option);
}

uint32_t WireClient::ask_type(uint32_t option, std::string_view data) {
    return ask(option, data).back().type;
}

ExportFacts WireClient::ask_info(uint32_t option, std::string_view name,
                                 std::initializer_list<uint16_t> types) {
    ExportFacts facts;
    for (const OptionAnswer& answer : ask(option, info_data(name, types))) {
        if (answer.type == wire::rep_info) take_info(facts, answer.data);
        if (answer.type == wire::rep_ack) facts.is_granted = true;
        if (answer.is_error()) facts.error = answer.type;
        if (answer.is_error()) facts.error_text = answer.data;
    }
    return facts;
}

ExportFacts WireClient::go(std::string_view name, std::initializer_list<uint16_t> types) {
    return ask_info(wire::opt_go, name, types);
}

bool WireClient::use_structured_replies() {
    return ask_type(wire::opt_structured_reply) == wire::rep_ack;
}

uint32_t WireClient::select_base_allocation(std::string_view name) {
    const auto answers = ask(wire::opt_set_meta_context, meta_data(name, {"base:allocation"}));
    if (answers.size() == 2 && answers[0].type == wire::rep_meta_context) {
        context_id_ = read_u32(answers[0].data, 0);
        return context_id_;
    }
    if (!is_broken_) fail("base:allocation was not selected");
    return 0;
}

ExportFacts WireClient::attach(std::string_view name) {
    greet();
    const ExportFacts facts = go(name);
    if (!facts.is_granted && !is_broken_) fail("GO was refused: " + facts.error_text);
    return facts;
}

ExportFacts WireClient::attach_structured(std::string_view name) {
    greet();
    EXPECT_TRUE(use_structured_replies());
    select_base_allocation(name);
    const ExportFacts facts = go(name);
    if (!facts.is_granted && !is_broken_) fail("GO was refused: " + facts.error_text);
    return facts;
}

}  // namespace blockd::support
