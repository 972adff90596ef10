// What blockctl prints with --json. The only file that knows nlohmann_json is json_output.cc.
// docs/blockctl.1 lists the keys; they are promised to scripts.
#pragma once

#include <blockd/client/client.h>

#include <string>
#include <string_view>
#include <vector>

#include "blockctl/extent_map.h"
#include "blockctl/progress.h"

namespace blockd::blockctl {

// Names of the transmission flags that are set, in the specification's words: "read_only".
std::vector<std::string_view> flag_names(uint16_t flags);

// Indented, with a line end.
std::string json_of_exports(const std::vector<client::ListedExport>& exports);
std::string json_of_info(std::string_view uri, const client::ExportInfo& info);
std::string json_of_map(const ExtentMap& map);

// One line, with a line end.
std::string json_of_progress(const ProgressState& state);

}  // namespace blockd::blockctl
