#include <blockd/nbd_wire.h>

#include "blockctl/command.h"
#include "blockctl/json_output.h"
#include "blockctl/output.h"
#include "blockctl/session.h"
#include "blockctl/size_text.h"
#include "nbd/printable.h"

namespace blockd::blockctl {
namespace {

std::string size_line(uint64_t size) {
    const std::string bytes = std::to_string(size) + " bytes";
    const std::string rounded = format_size(size);
    return rounded == bytes ? bytes : bytes + " (" + rounded + ")";
}

std::string ability_line(uint16_t flags) {
    std::string line;
    for (const std::string_view name : flag_names(flags)) {
        if (!line.empty()) line += ", ";
        line += name;
    }
    return line.empty() ? "none" : line;
}

std::string text_of(std::string_view uri, const client::ExportInfo& info) {
    const bool is_read_only = (info.flags & nbd::transmission_flag::read_only) != 0;
    std::string text = "uri:                 " + std::string(uri) + "\n";
    text += "export:              ";
    text += info.name.empty() ? "(default)" : nbd::printable(info.name);
    text += "\n";
    if (!info.description.empty()) {
        text += "description:         " + nbd::printable(info.description) + "\n";
    }
    text += "size:                " + size_line(info.size) + "\n";
    text += std::string("access:              ") + (is_read_only ? "read-only" : "read and write") +
            "\n";
    text += "abilities:           " + ability_line(info.flags) + "\n";
    text += "block sizes:         " + format_size(info.block_size_minimum) + " minimum, " +
            format_size(info.block_size_preferred) + " preferred, " +
            format_size(info.block_size_maximum) + " maximum\n";
    text +=
        std::string("structured replies:  ") + (info.has_structured_replies ? "yes" : "no") + "\n";
    text += std::string("contexts:            ") +
            (info.has_base_allocation ? "base:allocation" : "none") + "\n";
    return text;
}

}  // namespace

ExitStatus run_info(const Invocation& invocation) {
    Session session(invocation);
    const ExitStatus status = session.open(BlockStatus::wanted);
    if (status != ExitStatus::done) return status;

    return print(invocation.is_json ? json_of_info(session.name(), session.info())
                                    : text_of(session.name(), session.info()));
}

}  // namespace blockd::blockctl
