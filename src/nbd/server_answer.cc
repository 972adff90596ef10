// The bytes of the server's answers, written part by part as the output has room.
#include "nbd/server_handshake.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {

void ServerHandshake::write_answer() {
    ASSERT(phase_ == Phase::answering);
    while (answer_.parts != 0) {
        const uint32_t lowest_bit = answer_.parts & (~uint32_t(answer_.parts) + 1);
        if (!write_part(Part(lowest_bit))) return;
    }
    status_ = answer_.status_after;
    expect(Phase::option_header, sizeof(OptionHeader));
}

// Writes a part and takes it off the answer. False, with nothing done, when there is no room.
bool ServerHandshake::write_part(Part part) {
    const ExportDescription described = part == part_info_name || part == part_info_description
                                            ? directory_.describe(answer_.export_index)
                                            : ExportDescription();
    switch (part) {
        case part_list_head: return write_list_head();
        case part_list_description: return write_list_description();
        case part_info_export: return write_info_export();
        case part_info_name: return write_info_text(InfoType::name, described.name);
        case part_info_description:
            return write_info_text(InfoType::description, described.description);
        case part_info_block_size: return write_info_block_size();
        case part_meta_context: return write_meta_context();
        case part_export_name: return write_export_name();
        case part_final: return write_final();
    }
    ASSERT(false);
    return false;
}

// One SERVER reply is written in two pieces, so that the output need not hold two long strings.
bool ServerHandshake::write_list_head() {
    if (answer_.export_index == directory_.count()) {
        answer_.parts &= uint16_t(~part_list_head);
        return true;
    }
    const ExportDescription described = directory_.describe(answer_.export_index);
    ASSERT(described.name.size() <= string_size_max);
    ASSERT(described.description.size() <= string_size_max);
    if (!has_room(sizeof(OptionReplyHeader) + sizeof(be32) + described.name.size())) return false;
    append_reply_header(OptionReply::server,
                        sizeof(be32) + described.name.size() + described.description.size());
    append(bytes_of(be32(uint32_t(described.name.size()))));
    append(bytes_of(described.name));
    answer_.parts &= uint16_t(~part_list_head);
    answer_.parts |= part_list_description;
    return true;
}

bool ServerHandshake::write_list_description() {
    const ExportDescription described = directory_.describe(answer_.export_index);
    if (!has_room(described.description.size())) return false;
    append(bytes_of(described.description));
    ++answer_.export_index;
    answer_.parts &= uint16_t(~part_list_description);
    answer_.parts |= part_list_head;
    return true;
}

bool ServerHandshake::write_info_export() {
    if (!has_room(sizeof(OptionReplyHeader) + sizeof(InfoExport))) return false;
    const ExportDescription described = directory_.describe(answer_.export_index);
    append_reply_header(OptionReply::info, sizeof(InfoExport));
    append(bytes_of(InfoExport{
        .type = uint16_t(InfoType::export_info),
        .size = described.size,
        .flags = sent_flags(described),
    }));
    answer_.parts &= uint16_t(~part_info_export);
    return true;
}

bool ServerHandshake::write_info_text(InfoType type, std::string_view text) {
    ASSERT(text.size() <= string_size_max);
    if (!has_room(sizeof(OptionReplyHeader) + sizeof(be16) + text.size())) return false;
    append_reply_header(OptionReply::info, sizeof(be16) + text.size());
    append(bytes_of(be16(uint16_t(type))));
    append(bytes_of(text));
    answer_.parts &= uint16_t(type == InfoType::name ? ~part_info_name : ~part_info_description);
    return true;
}

bool ServerHandshake::write_info_block_size() {
    if (!has_room(sizeof(OptionReplyHeader) + sizeof(InfoBlockSize))) return false;
    const ExportDescription described = directory_.describe(answer_.export_index);
    append_reply_header(OptionReply::info, sizeof(InfoBlockSize));
    append(bytes_of(InfoBlockSize{
        .type = uint16_t(InfoType::block_size),
        .minimum = described.block_size_minimum,
        .preferred = described.block_size_preferred,
        .maximum = described.block_size_maximum,
    }));
    answer_.parts &= uint16_t(~part_info_block_size);
    return true;
}

bool ServerHandshake::write_meta_context() {
    constexpr std::string_view name = "base:allocation";
    if (!has_room(sizeof(OptionReplyHeader) + sizeof(be32) + name.size())) return false;
    append_reply_header(OptionReply::meta_context, sizeof(be32) + name.size());
    append(bytes_of(be32(answer_.context_id)));
    append(bytes_of(name));
    answer_.parts &= uint16_t(~part_meta_context);
    return true;
}

bool ServerHandshake::write_export_name() {
    static constexpr std::array<std::byte, export_name_padding_size> zeroes{};
    if (!has_room(sizeof(ExportNameReply) + zeroes.size())) return false;
    const ExportDescription described = directory_.describe(answer_.export_index);
    append(bytes_of(ExportNameReply{.size = described.size, .flags = sent_flags(described)}));
    if (is_zero_padded_) append(zeroes);
    answer_.parts &= uint16_t(~part_export_name);
    return true;
}

bool ServerHandshake::write_final() {
    const std::string_view text = answer_.final_text;
    if (!has_room(sizeof(OptionReplyHeader) + text.size())) return false;
    append_reply_header(answer_.final_type, text.size());
    append(bytes_of(text));
    answer_.parts &= uint16_t(~part_final);
    return true;
}

void ServerHandshake::append_reply_header(OptionReply type, size_t data_size) {
    append(bytes_of(OptionReplyHeader{
        .magic = option_reply_magic,
        .option = uint32_t(answer_.option),
        .type = uint32_t(type),
        .size = uint32_t(data_size),
    }));
}

void ServerHandshake::append(std::span<const std::byte> bytes) {
    ASSERT(has_room(bytes.size()));
    if (!bytes.empty()) std::memcpy(output_.data() + output_tail_, bytes.data(), bytes.size());
    output_tail_ += bytes.size();
}

uint16_t ServerHandshake::sent_flags(const ExportDescription& description) const {
    const uint16_t df = has_structured_replies_ ? transmission_flag::send_df : uint16_t(0);
    return uint16_t(description.flags | transmission_flag::has_flags | df);
}

}  // namespace blockd::nbd
