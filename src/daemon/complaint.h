// What is wrong with a configuration, for the operator: where, what stands there, and what may
// stand there. All complaints are collected and told at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace blockd::daemon {

struct Complaint {
    std::string path;     // "/exports/0/size" (a JSON pointer) or "line 3, column 5"; may be empty.
    std::string value;    // As the document has it, shortened; "missing"; or empty.
    std::string allowed;  // "a size with a unit, ...".
};

using Complaints = std::vector<Complaint>;

// "blockd.json: /exports/0/size: 1024: a size with a unit, ..."; control characters are escaped,
// so that a hostile document cannot forge lines.
std::string complaint_text(std::string_view source, const Complaint& complaint);

}  // namespace blockd::daemon
