#include "crash/rude_client.h"

#include "support/daemon_process.h"

namespace blockd::crash {

using support::kibibyte;
using support::mebibyte;
using support::RequestFields;
using support::WireClient;
namespace wire = support::wire;

namespace {

// Many times the transfer timeout that the daemon was given.
constexpr int32_t stall_ms_max = 20'000;

}  // namespace

void RudeClient::run() {
    while (!is_stopping_) {
        WireClient client(target_.endpoints[pick(target_.endpoints.size())]);
        ++visit_count_;
        const uint64_t kind = pick(16);
        if (kind == 0) {
            leave_while_negotiating(client);
            continue;
        }
        client.attach("disk");
        if (client.is_broken()) return;  // A failure of the test, which is told.
        if (kind < 4) {
            leave_in_a_header(client);
        } else if (kind < 7) {
            leave_in_a_payload(client);
        } else if (kind < 11) {
            leave_without_replies(client);
        } else if (kind == 11) {
            stall(client);
        } else {
            behave(client);
        }
    }
}

void RudeClient::leave_while_negotiating(WireClient& client) {
    client.receive_greeting();
    const std::string words = support::WireBytes().u32(3).bytes() +
                              support::option_bytes(wire::opt_go, support::info_data("disk"));
    client.send(words.substr(0, pick(words.size())));
}

void RudeClient::leave_in_a_header(WireClient& client) {
    const std::string head = support::request_bytes({.offset = target_.offset, .size = 4096});
    client.send(head + head.substr(0, pick(head.size())));
}

void RudeClient::leave_in_a_payload(WireClient& client) {
    const auto size = static_cast<uint32_t>(1 + pick(256 * kibibyte));
    client.send_request({.command = wire::cmd_write, .offset = target_.offset, .size = size},
                        std::string(pick(size), 'x'));
}

void RudeClient::leave_without_replies(WireClient& client) {
    for (uint64_t count = 1 + pick(8); count > 0; --count) {
        client.send_request({.size = static_cast<uint32_t>(1 + pick(512 * kibibyte))});
    }
}

// More than a socket holds; then it takes nothing until the server has lost its patience.
void RudeClient::stall(WireClient& client) {
    for (int count = 0; count < 8; ++count) client.send_request({.size = mebibyte});
    // What it asks now is hardly heard; in the end it cannot even be sent.
    const std::string flush = support::request_bytes({.command = wire::cmd_flush, .cookie = 1});
    const bool is_over =
        support::eventually([&] { return is_stopping_ || !client.try_send(flush); }, stall_ms_max);
    if (is_over && !is_stopping_) ++cut_off_count_;
    if (!is_over) ++endless_count_;
}

void RudeClient::behave(WireClient& client) {
    for (uint64_t count = pick(20); count > 0; --count) {
        const uint64_t size = 1 + pick(64 * kibibyte);
        const uint64_t offset = target_.offset + pick(target_.size - size);
        const uint16_t flags = pick(10) == 0 ? wire::flag_fua : uint16_t{0};
        client.write(offset, std::string(size, 'x'), flags);
        client.read(offset, static_cast<uint32_t>(size));
    }
    client.send_request({.command = wire::cmd_disconnect});
}

}  // namespace blockd::crash
