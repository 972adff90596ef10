#include <algorithm>

#include "blockctl/command.h"
#include "blockctl/compare.h"
#include "blockctl/endpoints.h"
#include "blockctl/event_loop.h"
#include "blockctl/message.h"
#include "blockctl/progress_display.h"
#include "nbd/printable.h"

namespace blockd::blockctl {
namespace {

std::string both(const EndpointInfo& source, const EndpointInfo& target) {
    return source.name + " and " + target.name + " differ";
}

std::string size_of(const EndpointInfo& endpoint) {
    return endpoint.name + " has " + std::to_string(endpoint.size) + " bytes";
}

ExitStatus compare_all(io::Loop& loop, Endpoints& endpoints, const Invocation& invocation) {
    const EndpointInfo& source = endpoints.source().info();
    const EndpointInfo& target = endpoints.target().info();
    Compare compare(endpoints.source(), endpoints.target(),
                    {.size = std::min(source.size, target.size),
                     .requests = endpoints.request_count(BuffersPerRequest::two),
                     .request_size = invocation.request_size});
    if (!compare.has_memory()) return fail_without_memory();
    ProgressDisplay display(invocation.progress, compare.size(), loop.now_ns());
    compare.start();
    while (!compare.is_done()) {
        loop.flush(display.wait_ns_max());
        display.update(compare.size_done(), loop.now_ns());
    }
    const bool is_equal = !compare.failure() && !compare.difference();
    display.finish(is_equal ? ProgressEnd::done : ProgressEnd::failed, compare.size_done(),
                   loop.now_ns());

    if (compare.failure()) {
        complain(nbd::printable(compare.failure()->text));
        return compare.failure()->is_server ? ExitStatus::server : ExitStatus::file;
    }
    if (!compare.difference()) return ExitStatus::done;
    complain(both(source, target) + " at offset " + std::to_string(*compare.difference()));
    return ExitStatus::failed;
}

// A target may be larger, as it is after a copy; a smaller one cannot hold the source.
ExitStatus compare_sizes(Endpoints& endpoints, const Invocation& invocation) {
    const EndpointInfo& source = endpoints.source().info();
    const EndpointInfo& target = endpoints.target().info();
    const bool is_equal_enough =
        source.size == target.size || (source.size < target.size && !invocation.is_strict);
    if (is_equal_enough) return ExitStatus::done;
    complain(both(source, target) + " in size: " + size_of(source) + ", " + size_of(target));
    return ExitStatus::failed;
}

}  // namespace

ExitStatus run_verify(const Invocation& invocation) {
    const std::unique_ptr<io::Loop> loop = make_loop(disk_workers);
    if (!loop) return ExitStatus::failed;

    Endpoints endpoints(*loop, invocation);
    ExitStatus status = endpoints.open_for_verify();
    if (status == ExitStatus::done) status = compare_sizes(endpoints, invocation);
    if (status == ExitStatus::done) status = compare_all(*loop, endpoints, invocation);
    return status;
}

}  // namespace blockd::blockctl
