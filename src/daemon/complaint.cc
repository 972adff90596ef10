#include "daemon/complaint.h"

#include "nbd/printable.h"

namespace blockd::daemon {

std::string complaint_text(std::string_view source, const Complaint& complaint) {
    std::string text = nbd::printable(source) + ": ";
    if (!complaint.path.empty()) text += nbd::printable(complaint.path) + ": ";
    if (!complaint.value.empty()) text += nbd::printable(complaint.value) + ": ";
    return text + nbd::printable(complaint.allowed);
}

}  // namespace blockd::daemon
