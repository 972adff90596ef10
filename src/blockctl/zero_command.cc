#include "blockctl/batch.h"
#include "blockctl/command.h"
#include "blockctl/range_pieces.h"
#include "blockctl/session.h"

namespace blockd::blockctl {
namespace {

namespace flag = nbd::transmission_flag;

ExitStatus check(const Session& session, const Invocation& invocation) {
    ExitStatus status = session.require_writable();
    if (status == ExitStatus::done) status = session.require(flag::send_write_zeroes, "zeroing");
    if (status == ExitStatus::done && invocation.is_fua) {
        status = session.require(flag::send_fua, "FUA");
    }
    if (status == ExitStatus::done && invocation.is_fast) {
        status = session.require(flag::send_fast_zero, "fast zeroing");
    }
    if (status == ExitStatus::done) {
        status = session.require_range(invocation.offset, invocation.size);
    }
    return status;
}

uint16_t flags_of(const Invocation& invocation) {
    uint16_t flags = 0;
    if (invocation.is_fua) flags |= nbd::command_flag::fua;
    if (invocation.is_no_hole) flags |= nbd::command_flag::no_hole;
    if (invocation.is_fast) flags |= nbd::command_flag::fast_zero;
    return flags;
}

}  // namespace

ExitStatus run_zero(const Invocation& invocation) {
    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::unused);
    if (status == ExitStatus::done) status = check(session, invocation);
    if (status != ExitStatus::done) return status;

    Batch batch(session);
    for_each_piece(invocation.offset, invocation.size, [&](uint64_t offset, uint64_t size) {
        return batch.write_zeroes({.offset = offset, .size = size, .flags = flags_of(invocation)});
    });
    return batch.wait();
}

}  // namespace blockd::blockctl
