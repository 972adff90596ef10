// What each option means to the server: from its data to an Answer.
#include "nbd/server_handshake.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {

namespace {

constexpr std::string_view base_allocation = "base:allocation";
constexpr std::string_view base_wildcard = "base:";  // Selects nothing: a wildcard in LIST only.
constexpr uint32_t base_allocation_id = 1;

// What INFO and GO ask for. Types that nobody knows are ignored.
struct InfoRequest {
    std::string_view name;
    bool wants_name = false;
    bool wants_description = false;
    bool wants_block_size = false;
};

std::optional<InfoRequest> parse_info(std::span<const std::byte> data) {
    WireReader reader(data);
    const std::optional<std::string_view> name = reader.take_sized_text();
    const std::optional<be16> count = reader.take<be16>();
    if (!name || !count) return std::nullopt;
    if (reader.rest_size() != *count * sizeof(be16)) return std::nullopt;
    InfoRequest request = {.name = *name};
    while (!reader.is_at_end()) {
        const InfoType type = InfoType(uint16_t(*reader.take<be16>()));
        if (type == InfoType::name) request.wants_name = true;
        if (type == InfoType::description) request.wants_description = true;
        if (type == InfoType::block_size) request.wants_block_size = true;
    }
    return request;
}

// What LIST_META_CONTEXT and SET_META_CONTEXT ask for, as far as this server has it.
struct MetaContextRequest {
    std::string_view name;
    bool has_queries = false;
    bool names_base_allocation = false;
    bool names_base_wildcard = false;
};

// Queries of other namespaces, and those that make no sense, select nothing.
std::optional<MetaContextRequest> parse_meta_context(std::span<const std::byte> data) {
    WireReader reader(data);
    const std::optional<std::string_view> name = reader.take_sized_text();
    const std::optional<be32> count = reader.take<be32>();
    if (!name || !count) return std::nullopt;
    MetaContextRequest request = {.name = *name, .has_queries = *count > 0};
    // Ends with the data: each round takes at least the four bytes of a size.
    for (uint32_t index = 0; index < *count; ++index) {
        const std::optional<std::string_view> query = reader.take_sized_text();
        if (!query || !is_wire_string(*query)) return std::nullopt;
        if (*query == base_allocation) request.names_base_allocation = true;
        if (*query == base_wildcard) request.names_base_wildcard = true;
    }
    if (!reader.is_at_end()) return std::nullopt;
    return request;
}

}  // namespace

void ServerHandshake::plan_dataless_option(Option option, uint32_t size) {
    switch (option) {
        case Option::abort:  // Its data, if any, is ignored.
            answer_.status_after = Status::aborted;
            return;
        case Option::list:
            if (size > 0) return refuse(OptionReply::error_invalid, "LIST takes no data");
            if (!directory_.allows_list()) {
                return refuse(OptionReply::error_policy, "this server does not list its exports");
            }
            answer_.parts = part_list_head | part_final;
            return;
        case Option::structured_reply:
            if (size > 0) {
                return refuse(OptionReply::error_invalid, "STRUCTURED_REPLY takes no data");
            }
            if (has_structured_replies_) {
                return refuse(OptionReply::error_invalid,
                              "structured replies were negotiated already");
            }
            has_structured_replies_ = true;
            return;
        case Option::starttls:
            if (size > 0) return refuse(OptionReply::error_invalid, "STARTTLS takes no data");
            return refuse(OptionReply::error_policy, "TLS is not configured");
        default:
            return refuse(OptionReply::error_unsupported, "this server does not know the option");
    }
}

void ServerHandshake::plan_data_option(std::span<const std::byte> data) {
    switch (answer_.option) {
        case Option::export_name: return plan_export_name(data);
        case Option::info:
        case Option::go: return plan_info(data);
        case Option::list_meta_context:
        case Option::set_meta_context: return plan_meta_context(data);
        default: ASSERT(false);
    }
}

void ServerHandshake::plan_export_name(std::span<const std::byte> data) {
    const std::string_view name = *WireReader(data).take_text(data.size());
    if (!is_wire_string(name)) return break_off("the export's name is not valid UTF-8");
    answer_.export_index = directory_.find(name);
    if (answer_.export_index == ExportDirectory::none) return break_off("no such export");
    answer_.parts = part_export_name;
    agree_on_export();
}

void ServerHandshake::plan_info(std::span<const std::byte> data) {
    const std::optional<InfoRequest> request = parse_info(data);
    if (!request) return refuse(OptionReply::error_invalid, "the option's lengths do not add up");
    if (!find_export(request->name)) return;
    const ExportDescription description = directory_.describe(answer_.export_index);
    answer_.parts = part_info_export | part_final;
    if (request->wants_name) answer_.parts |= part_info_name;
    if (request->wants_description && !description.description.empty()) {
        answer_.parts |= part_info_description;
    }
    if (request->wants_block_size) answer_.parts |= part_info_block_size;
    if (answer_.option == Option::go) agree_on_export();
}

void ServerHandshake::plan_meta_context(std::span<const std::byte> data) {
    const bool selects = answer_.option == Option::set_meta_context;
    if (selects && !has_structured_replies_) {
        return refuse(OptionReply::error_invalid, "structured replies were not negotiated");
    }
    const std::optional<MetaContextRequest> request = parse_meta_context(data);
    if (!request) return refuse(OptionReply::error_invalid, "the option's queries are malformed");
    if (!find_export(request->name)) return;
    const bool lists_all = !request->has_queries || request->names_base_wildcard;
    if (!request->names_base_allocation && (selects || !lists_all)) return;
    answer_.parts |= part_meta_context;
    if (!selects) return;
    answer_.context_id = base_allocation_id;
    context_export_index_ = answer_.export_index;
}

void ServerHandshake::refuse(OptionReply type, const char* text) {
    ASSERT((uint32_t(type) & option_reply_error_bit) != 0);
    answer_.parts = part_final;
    answer_.final_type = type;
    answer_.final_text = text;
}

// Plans the error when there is none.
bool ServerHandshake::find_export(std::string_view name) {
    if (!is_wire_string(name)) {
        refuse(OptionReply::error_invalid, "the export's name is too long, or not valid UTF-8");
        return false;
    }
    answer_.export_index = directory_.find(name);
    if (answer_.export_index == ExportDirectory::none) {
        refuse(OptionReply::error_unknown, "no such export");
        return false;
    }
    return true;
}

void ServerHandshake::agree_on_export() {
    const size_t index = answer_.export_index;
    const bool has_context = has_structured_replies_ && context_export_index_ == index;
    negotiated_ = {
        .export_index = index,
        .has_structured_replies = has_structured_replies_,
        .has_base_allocation = has_context,
        .base_allocation_id = has_context ? base_allocation_id : 0,
        .flags = sent_flags(directory_.describe(index)),
    };
    answer_.status_after = Status::transmission;
}

}  // namespace blockd::nbd
