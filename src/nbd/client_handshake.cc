// The stream of the negotiation and the order of its options. What the server's answers mean
// stands in client_replies.cc.
#include "nbd/client_handshake.h"

#include "nbd/printable.h"
#include "nbd/wire_bytes.h"

#include <algorithm>
#include <utility>

namespace blockd::nbd {

namespace {

constexpr uint64_t oldstyle_magic = 0x00420281861253;

// Every option of one handshake together; a peer that answers before it was asked makes all of
// them wait in the output at once.
constexpr size_t output_size_max =
    sizeof(be32) + 6 * sizeof(OptionHeader) + 3 * string_size_max + 64;

}  // namespace

ClientHandshake::ClientHandshake(const Options& options) : options_(options) {
    output_.reserve(output_size_max);
    expect(Phase::greeting, sizeof(Greeting));
    if (!is_wire_string(options.export_name)) {
        status_ = Status::refused;
        failure_code_ = ErrorCode::invalid;
        failure_text_ = "the export's name is longer than 4096 bytes, or not valid UTF-8";
    }
}

size_t ClientHandshake::feed(std::span<const std::byte> bytes) {
    size_t taken_size = 0;
    while (status_ == Status::negotiating && taken_size < bytes.size()) {
        const size_t size = std::min(bytes.size() - taken_size, wanted_size_ - gathered_.size());
        const std::span<const std::byte> taken = bytes.subspan(taken_size, size);
        gathered_.insert(gathered_.end(), taken.begin(), taken.end());
        taken_size += size;
        if (gathered_.size() == wanted_size_) item_done();
    }
    return taken_size;
}

void ClientHandshake::end_of_stream() {
    if (status_ != Status::negotiating) return;
    // The old EXPORT_NAME knows no error reply: a server that lacks the export just hangs up.
    if (phase_ == Phase::export_name_reply && gathered_.empty()) {
        status_ = Status::refused;
        failure_code_ = ErrorCode::not_found;
        failure_text_ = "the server closed the connection when it was asked for export '" +
                        printable_front(options_.export_name) + "'";
        return;
    }
    break_off("the server closed the connection during the negotiation");
    failure_code_ = ErrorCode::connection_reset;
}

std::span<const std::byte> ClientHandshake::output() const {
    return std::span(output_).subspan(output_head_);
}

void ClientHandshake::consume_output(size_t size) {
    ASSERT(size <= output_.size() - output_head_);
    output_head_ += size;
    if (output_head_ < output_.size()) return;
    output_.clear();
    output_head_ = 0;
}

void ClientHandshake::expect(Phase phase, size_t size) {
    ASSERT(size > 0);
    phase_ = phase;
    wanted_size_ = size;
    gathered_.clear();
}

void ClientHandshake::item_done() {
    switch (phase_) {
        case Phase::greeting: return greeting_done();
        case Phase::reply_header: return reply_header_done();
        case Phase::reply_data: return reply_done();
        case Phase::export_name_reply: return export_name_done();
    }
}

void ClientHandshake::greeting_done() {
    const Greeting greeting = *WireReader(gathered_).take<Greeting>();
    if (greeting.magic != greeting_magic) return break_off("this is not an NBD server");
    if (greeting.option_magic == oldstyle_magic) {
        return break_off("the server speaks the old style of the protocol, which blockd does not");
    }
    if (greeting.option_magic != option_magic) return break_off("this is not an NBD server");
    is_fixed_newstyle_ = (greeting.flags & handshake_flag::fixed_newstyle) != 0;
    is_zero_padded_ = (greeting.flags & handshake_flag::no_zeroes) == 0;
    const uint32_t known = handshake_flag::fixed_newstyle | handshake_flag::no_zeroes;
    const std::array<be32, 1> client_flags = {greeting.flags & known};
    const std::span<const std::byte> bytes = std::as_bytes(std::span(client_flags));
    output_.insert(output_.end(), bytes.begin(), bytes.end());
    send_first_option();
}

void ClientHandshake::send_first_option() {
    if (options_.goal == Goal::list) {
        if (!is_fixed_newstyle_) {
            return refuse(ErrorCode::not_supported, "the server is too old to list its exports");
        }
        return send_option(Option::list, {});
    }
    if (!is_fixed_newstyle_) return send_export_name();
    send_option(Option::structured_reply, {});
}

void ClientHandshake::structured_reply_answered() {
    const bool wants_context = agreed_.has_structured_replies && options_.wants_base_allocation;
    if (wants_context) return send_meta_context();
    send_go();
}

void ClientHandshake::meta_context_answered() { send_go(); }

namespace {

void append(std::vector<std::byte>& data, std::span<const std::byte> bytes) {
    data.insert(data.end(), bytes.begin(), bytes.end());
}

void append_sized(std::vector<std::byte>& data, std::string_view text) {
    append(data, bytes_of(be32(uint32_t(text.size()))));
    append(data, bytes_of(text));
}

}  // namespace

void ClientHandshake::send_meta_context() {
    std::vector<std::byte> data;
    append_sized(data, options_.export_name);
    append(data, bytes_of(be32(1)));
    append_sized(data, "base:allocation");
    send_option(Option::set_meta_context, data);
}

void ClientHandshake::send_go() {
    constexpr std::array wanted = {InfoType::name, InfoType::description, InfoType::block_size};
    std::vector<std::byte> data;
    append_sized(data, options_.export_name);
    append(data, bytes_of(be16(uint16_t(wanted.size()))));
    for (const InfoType type : wanted) append(data, bytes_of(be16(uint16_t(type))));
    send_option(Option::go, data);
}

void ClientHandshake::send_export_name() {
    send_option(Option::export_name, bytes_of(std::string_view(options_.export_name)));
    const size_t padding_size = is_zero_padded_ ? export_name_padding_size : 0;
    expect(Phase::export_name_reply, sizeof(ExportNameReply) + padding_size);
}

void ClientHandshake::send_option(Option option, std::span<const std::byte> data) {
    option_ = option;
    replies_count_ = 0;
    ASSERT(output_.capacity() - output_.size() >= sizeof(OptionHeader) + data.size());
    append(output_, bytes_of(OptionHeader{
                        .magic = option_magic,
                        .option = uint32_t(option),
                        .size = uint32_t(data.size()),
                    }));
    append(output_, data);
    expect(Phase::reply_header, sizeof(OptionReplyHeader));
}

void ClientHandshake::agree(uint64_t size, uint16_t flags) {
    // Offsets of files and of most clients are signed: no device is larger.
    if (size > uint64_t(INT64_MAX)) return break_off("the server claims an impossible size");
    agreed_.size = size;
    agreed_.flags = flags;
    if (agreed_.name.empty()) agreed_.name = options_.export_name;
    status_ = Status::transmission;
}

// Takes its leave, as the specification asks of a client that gives up.
void ClientHandshake::refuse(ErrorCode code, std::string text) {
    if (is_fixed_newstyle_) send_option(Option::abort, {});
    status_ = Status::refused;
    failure_code_ = code;
    failure_text_ = std::move(text);
}

void ClientHandshake::break_off(std::string text) {
    status_ = Status::broken;
    failure_code_ = ErrorCode::protocol;
    failure_text_ = std::move(text);
}

}  // namespace blockd::nbd
