// What the server's answers to each option mean to the client.
#include "nbd/client_handshake.h"

#include "nbd/printable.h"
#include "nbd/wire_bytes.h"

#include <algorithm>
#include <bit>

namespace blockd::nbd {

namespace {

const char* name_of(Option option) {
    switch (option) {
        case Option::list: return "LIST";
        case Option::go: return "GO";
        case Option::structured_reply: return "STRUCTURED_REPLY";
        case Option::set_meta_context: return "SET_META_CONTEXT";
        default: return "an option";
    }
}

const char* words_of(OptionReply type) {
    switch (type) {
        case OptionReply::error_unsupported: return "it does not know the request";
        case OptionReply::error_policy: return "its policy forbids it";
        case OptionReply::error_invalid: return "it takes the request for invalid";
        case OptionReply::error_platform: return "its platform does not support it";
        case OptionReply::error_tls_required: return "it demands TLS, which is not supported";
        case OptionReply::error_unknown: return "no such export";
        case OptionReply::error_shutdown: return "it is shutting down";
        case OptionReply::error_block_size_required:
            return "it demands that block sizes be negotiated";
        case OptionReply::error_too_big: return "the request is too large for it";
        default: return "an error that the protocol does not know";
    }
}

ErrorCode code_of(OptionReply type) {
    switch (type) {
        case OptionReply::error_unknown: return ErrorCode::not_found;
        case OptionReply::error_policy: return ErrorCode::permission;
        case OptionReply::error_shutdown: return ErrorCode::connection_reset;
        case OptionReply::error_too_big: return ErrorCode::too_large;
        case OptionReply::error_unsupported:
        case OptionReply::error_platform:
        case OptionReply::error_tls_required: return ErrorCode::not_supported;
        default: return ErrorCode::invalid;
    }
}

}  // namespace

void ClientHandshake::reply_header_done() {
    const OptionReplyHeader header = *WireReader(gathered_).take<OptionReplyHeader>();
    if (header.magic != option_reply_magic) {
        return break_off("the server sent an option reply with a wrong magic");
    }
    if (header.option != uint32_t(option_)) {
        return break_off("the server answered an option that was not asked");
    }
    if (header.size > option_reply_size_max) {
        return break_off(std::string("the server answered ") + name_of(option_) +
                         " with more data than any server needs");
    }
    reply_type_ = OptionReply(uint32_t(header.type));
    if (header.size > 0) return expect(Phase::reply_data, header.size);
    gathered_.clear();
    reply_done();
}

void ClientHandshake::reply_done() {
    // Moved away: what follows expects the next item, and starts gathering anew.
    const std::vector<std::byte> data = std::move(gathered_);
    gathered_ = {};
    const uint32_t replies_max = option_ == Option::list ? exports_listed_max : option_replies_max;
    if (++replies_count_ > replies_max + 1) {
        return break_off(std::string("the server's answer to ") + name_of(option_) +
                         " does not end");
    }
    expect(Phase::reply_header, sizeof(OptionReplyHeader));
    if ((uint32_t(reply_type_) & option_reply_error_bit) != 0) {
        return refused(reply_type_, *WireReader(data).take_text(data.size()));
    }
    if (reply_type_ == OptionReply::ack) {
        if (!data.empty()) return break_off("the server sent an acknowledgement with data");
        return acknowledged();
    }
    if (reply_type_ == OptionReply::server && option_ == Option::list) return take_server(data);
    if (reply_type_ == OptionReply::info && option_ == Option::go) return take_info(data);
    if (reply_type_ == OptionReply::meta_context && option_ == Option::set_meta_context) {
        return take_meta_context(data);
    }
    break_off(std::string("the server answered ") + name_of(option_) +
              " with a reply that does not belong to it");
}

void ClientHandshake::acknowledged() {
    switch (option_) {
        case Option::structured_reply:
            agreed_.has_structured_replies = true;
            return structured_reply_answered();
        case Option::set_meta_context: return meta_context_answered();
        case Option::go:
            if (!has_info_export_) return break_off("the server did not tell the export's size");
            return agree(agreed_.size, agreed_.flags);
        case Option::list:
            send_option(Option::abort, {});
            status_ = Status::listed;
            return;
        default: ASSERT(false);
    }
}

void ClientHandshake::refused(OptionReply type, std::string_view text) {
    // Every server may lack these, whatever it calls the reason.
    if (option_ == Option::structured_reply) return structured_reply_answered();
    if (option_ == Option::set_meta_context) {
        agreed_.has_base_allocation = false;
        return meta_context_answered();
    }
    if (option_ == Option::go && type == OptionReply::error_unsupported) return send_export_name();
    const std::string what = option_ == Option::list
                                 ? std::string("to list its exports")
                                 : "export '" + printable_front(options_.export_name) + "'";
    const std::string said = text.empty() ? "" : " (\"" + printable_front(text) + "\")";
    refuse(code_of(type), "the server refused " + what + ": " + words_of(type) + said);
}

void ClientHandshake::take_server(std::span<const std::byte> data) {
    WireReader reader(data);
    const std::optional<std::string_view> name = reader.take_sized_text();
    if (!name) return break_off("the server listed an export whose name is cut off");
    const std::string_view description = *reader.take_text(reader.rest_size());
    if (!is_wire_string(*name) || !is_wire_string(description)) {
        return break_off("the server listed an export whose name is not valid UTF-8");
    }
    listed_size_ += data.size();
    if (listed_size_ > listed_size_max) return break_off("the server's list does not end");
    listed_.push_back({std::string(*name), std::string(description)});
}

void ClientHandshake::take_info(std::span<const std::byte> data) {
    WireReader reader(data);
    const std::optional<be16> type = reader.take<be16>();
    if (!type) return break_off("the server sent information without a type");
    bool is_sound = true;
    switch (InfoType(uint16_t(*type))) {
        case InfoType::export_info: is_sound = take_info_export(data); break;
        case InfoType::block_size: is_sound = take_info_block_size(data); break;
        case InfoType::name:
        case InfoType::description: {
            const bool is_name = *type == uint16_t(InfoType::name);
            const std::string_view text = *reader.take_text(reader.rest_size());
            is_sound = is_wire_string(text);
            if (is_sound) (is_name ? agreed_.name : agreed_.description) = text;
            break;
        }
        default: break;  // The specification asks to ignore what is not known.
    }
    if (!is_sound) break_off("the server sent information that makes no sense");
}

bool ClientHandshake::take_info_export(std::span<const std::byte> data) {
    if (data.size() != sizeof(InfoExport)) return false;
    const InfoExport info = *WireReader(data).take<InfoExport>();
    if (has_info_export_) return false;
    has_info_export_ = true;
    agreed_.size = info.size;
    agreed_.flags = info.flags;
    return true;
}

bool ClientHandshake::take_info_block_size(std::span<const std::byte> data) {
    if (data.size() != sizeof(InfoBlockSize)) return false;
    const InfoBlockSize info = *WireReader(data).take<InfoBlockSize>();
    constexpr uint32_t minimum_max = 64u << 10;
    if (!std::has_single_bit(uint32_t(info.minimum)) || info.minimum > minimum_max) return false;
    if (!std::has_single_bit(uint32_t(info.preferred)) || info.preferred < info.minimum) {
        return false;
    }
    if (info.maximum < info.minimum) return false;
    agreed_.block_size_minimum = info.minimum;
    agreed_.block_size_preferred = info.preferred;
    agreed_.block_size_maximum = std::min<uint32_t>(info.maximum, payload_size_max);
    return true;
}

void ClientHandshake::take_meta_context(std::span<const std::byte> data) {
    WireReader reader(data);
    const std::optional<be32> id = reader.take<be32>();
    if (!id || *reader.take_text(reader.rest_size()) != "base:allocation") {
        return break_off("the server selected a metadata context that was not asked for");
    }
    if (agreed_.has_base_allocation) {
        return break_off("the server selected one metadata context twice");
    }
    agreed_.has_base_allocation = true;
    agreed_.base_allocation_id = *id;
}

void ClientHandshake::export_name_done() {
    const ExportNameReply reply = *WireReader(gathered_).take<ExportNameReply>();
    agree(reply.size, reply.flags);
}

}  // namespace blockd::nbd
