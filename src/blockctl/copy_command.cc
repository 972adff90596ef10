#include "blockctl/command.h"
#include "blockctl/copy.h"
#include "blockctl/endpoints.h"
#include "blockctl/event_loop.h"
#include "blockctl/message.h"
#include "blockctl/progress_display.h"
#include "nbd/printable.h"

namespace blockd::blockctl {
namespace {

ExitStatus copy_all(io::Loop& loop, Endpoints& endpoints, const Invocation& invocation) {
    Copy copy(endpoints.source(), endpoints.target(),
              {.requests = endpoints.request_count(BuffersPerRequest::one),
               .request_size = invocation.request_size,
               .sparse_size = invocation.sparse_size,
               .flush = invocation.is_flushed ? FinalFlush::yes : FinalFlush::no});
    if (!copy.has_memory()) return fail_without_memory();
    ProgressDisplay display(invocation.progress, copy.size(), loop.now_ns());
    copy.start();
    while (!copy.is_done()) {
        loop.flush(display.wait_ns_max());
        display.update(copy.size_done(), loop.now_ns());
    }
    display.finish(copy.failure() ? ProgressEnd::failed : ProgressEnd::done, copy.size_done(),
                   loop.now_ns());
    if (!copy.failure()) return ExitStatus::done;

    complain(nbd::printable(copy.failure()->text));
    return copy.failure()->is_server ? ExitStatus::server : ExitStatus::file;
}

}  // namespace

ExitStatus run_copy(const Invocation& invocation) {
    const std::unique_ptr<io::Loop> loop = make_loop(disk_workers);
    if (!loop) return ExitStatus::failed;

    Endpoints endpoints(*loop, invocation);
    ExitStatus status = endpoints.open_for_copy();
    if (status == ExitStatus::done) status = copy_all(*loop, endpoints, invocation);
    if (status != ExitStatus::done) return status;
    return endpoints.close();
}

}  // namespace blockd::blockctl
