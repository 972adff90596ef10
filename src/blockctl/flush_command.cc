#include "blockctl/command.h"
#include "blockctl/session.h"
#include "blockctl/waiter.h"

namespace blockd::blockctl {

ExitStatus run_flush(const Invocation& invocation) {
    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::unused);
    if (status == ExitStatus::done) {
        status = session.require(nbd::transmission_flag::send_flush, "FLUSH");
    }
    if (status != ExitStatus::done) return status;

    client::Transfer transfer;
    Waiter<Ok> waiter;
    session.client().flush(transfer, waiter.callback());
    const Result<Ok> flushed = waiter.wait(session.loop());
    if (flushed) return ExitStatus::done;
    return session.fail("flush", 0, 0, session.words_of_failure(flushed.error()));
}

}  // namespace blockd::blockctl
