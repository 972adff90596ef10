#include "daemon/complaint.h"

#include "daemon/escape.h"

namespace blockd::daemon {

std::string complaint_text(std::string_view source, const Complaint& complaint) {
    std::string text = escape_plain(source) + ": ";
    if (!complaint.path.empty()) text += escape_plain(complaint.path) + ": ";
    if (!complaint.value.empty()) text += escape_plain(complaint.value) + ": ";
    return text + escape_plain(complaint.allowed);
}

}  // namespace blockd::daemon
