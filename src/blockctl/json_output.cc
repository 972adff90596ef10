#include "blockctl/json_output.h"

#include <blockd/nbd_wire.h>

#include <array>
#include <nlohmann/json.hpp>

namespace blockd::blockctl {
namespace {

using Json = nlohmann::ordered_json;
namespace flag = nbd::transmission_flag;

struct FlagName {
    uint16_t bit;
    std::string_view name;
};

constexpr std::array<FlagName, 10> flag_table = {{
    {flag::read_only, "read_only"},
    {flag::send_flush, "flush"},
    {flag::send_fua, "fua"},
    {flag::rotational, "rotational"},
    {flag::send_trim, "trim"},
    {flag::send_write_zeroes, "write_zeroes"},
    {flag::send_df, "dont_fragment"},
    {flag::can_multi_conn, "multi_conn"},
    {flag::send_cache, "cache"},
    {flag::send_fast_zero, "fast_zero"},
}};

// Names and descriptions come from a server, and may hold any byte.
std::string text_of(const Json& document, int indent) {
    return document.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<std::string_view> flag_names(uint16_t flags) {
    std::vector<std::string_view> names;
    for (const FlagName& entry : flag_table) {
        if ((flags & entry.bit) != 0) names.push_back(entry.name);
    }
    return names;
}

std::string json_of_exports(const std::vector<client::ListedExport>& exports) {
    Json list = Json::array();
    for (const client::ListedExport& listed : exports) {
        list.push_back({{"name", listed.name}, {"description", listed.description}});
    }
    return text_of({{"exports", list}}, 2);
}

std::string json_of_info(std::string_view uri, const client::ExportInfo& info) {
    Json contexts = Json::array();
    if (info.has_base_allocation) contexts.push_back("base:allocation");
    return text_of(
        {
            {"uri", uri},
            {"export", info.name},
            {"description", info.description},
            {"size_bytes", info.size},
            {"read_only", (info.flags & flag::read_only) != 0},
            {"flags", flag_names(info.flags)},
            {"block_size_bytes",
             {{"minimum", info.block_size_minimum},
              {"preferred", info.block_size_preferred},
              {"maximum", info.block_size_maximum}}},
            {"structured_replies", info.has_structured_replies},
            {"contexts", contexts},
        },
        2);
}

std::string json_of_map(const ExtentMap& map) {
    Json extents = Json::array();
    for (const MappedExtent& extent : map.extents()) {
        extents.push_back({{"offset_bytes", extent.offset},
                           {"size_bytes", extent.size},
                           {"hole", (extent.flags & nbd::allocation_hole) != 0},
                           {"zero", (extent.flags & nbd::allocation_zero) != 0}});
    }
    return text_of({{"extents", extents}}, 2);
}

std::string json_of_progress(const ProgressState& state) {
    Json line = {{"done_bytes", state.size_done},
                 {"size_bytes", state.size},
                 {"bytes_per_second", state.rate},
                 {"eta_seconds", nullptr},
                 {"done", state.is_done}};
    if (state.eta_s) line["eta_seconds"] = *state.eta_s;
    return text_of(line, -1);
}

}  // namespace blockd::blockctl
