// blockd's command line. The only place that knows the option library.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "daemon/complaint.h"
#include "daemon/json_document.h"

namespace blockd::daemon {

struct Options {
    enum class Task : uint8_t { serve, check, print_version, print_help };

    Task task = Task::serve;
    std::string config_file;  // Empty: `document` describes the one export.
    JsonDocument document;    // As a config file would say it.
};

struct UsageError {
    std::string message;  // One sentence: "--export is missing".
};

std::variant<Options, UsageError> parse_options(int32_t count, const char* const* arguments);

// What --help prints.
std::string help_text();

// Complaints of Options::document name its JSON paths; this names the option instead:
// "/exports/0/size" is "--size".
Complaint named_as_option(Complaint complaint);

}  // namespace blockd::daemon
