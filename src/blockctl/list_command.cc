#include "blockctl/command.h"
#include "blockctl/json_output.h"
#include "blockctl/output.h"
#include "blockctl/session.h"
#include "nbd/printable.h"

namespace blockd::blockctl {
namespace {

std::string lines_of(const std::vector<client::ListedExport>& exports) {
    std::string text;
    for (const client::ListedExport& listed : exports) {
        text += listed.name.empty() ? "(default)" : nbd::printable(listed.name);
        if (!listed.description.empty())
            text.append("\t").append(nbd::printable(listed.description));
        text += "\n";
    }
    return text;
}

}  // namespace

ExitStatus run_list(const Invocation& invocation) {
    Session session(invocation);
    const ExitStatus status = session.list();
    if (status != ExitStatus::done) return status;

    const std::vector<client::ListedExport>& exports = session.client().listed();
    return print(invocation.is_json ? json_of_exports(exports) : lines_of(exports));
}

}  // namespace blockd::blockctl
