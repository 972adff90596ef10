#include "blockctl/batch.h"
#include "blockctl/command.h"
#include "blockctl/range_pieces.h"
#include "blockctl/session.h"

namespace blockd::blockctl {
namespace {

ExitStatus check(const Session& session, const Invocation& invocation) {
    ExitStatus status = session.require_writable();
    if (status == ExitStatus::done) {
        status = session.require(nbd::transmission_flag::send_trim, "TRIM");
    }
    if (status == ExitStatus::done && invocation.is_fua) {
        status = session.require(nbd::transmission_flag::send_fua, "FUA");
    }
    if (status == ExitStatus::done) {
        status = session.require_range(invocation.offset, invocation.size);
    }
    return status;
}

}  // namespace

ExitStatus run_trim(const Invocation& invocation) {
    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::unused);
    if (status == ExitStatus::done) status = check(session, invocation);
    if (status != ExitStatus::done) return status;

    const uint16_t flags = invocation.is_fua ? nbd::command_flag::fua : 0;
    Batch batch(session);
    for_each_piece(invocation.offset, invocation.size, [&](uint64_t offset, uint64_t size) {
        return batch.trim({.offset = offset, .size = size, .flags = flags});
    });
    return batch.wait();
}

}  // namespace blockd::blockctl
