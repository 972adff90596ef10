#include "storage/disk_scheduler.h"

#include <blockd/assert.h>

namespace blockd::storage {

DiskScheduler::DiskScheduler(io::Loop& loop, uint32_t depth_max)
    : loop_(loop), depth_max_(depth_max) {
    ASSERT(depth_max > 0);
}

void DiskScheduler::submit(Flow& flow, Transfer& transfer) {
    ASSERT(transfer.completion.is_idle());
    transfer.scheduler = this;
    if (waiting_.is_empty() && in_flight_count_ < depth_max_) return start(transfer);

    if (flow.queued_.is_empty()) waiting_.push_back(flow);
    flow.queued_.push_back(transfer);
}

uint64_t DiskScheduler::cost_of(const Transfer& transfer) {
    const bool moves_bytes =
        transfer.kind == Transfer::Kind::read || transfer.kind == Transfer::Kind::write;
    return scheduler_operation_cost + (moves_bytes ? transfer.size : 0);
}

void DiskScheduler::dispatch() {
    while (in_flight_count_ < depth_max_) {
        Flow* const flow = waiting_.front();
        if (flow == nullptr) return;
        dispatch_turn(*flow);
    }
}

// Starts what the flow at the front may start in its turn; then the next one is at the front.
// A turn that the depth interrupts goes on later, without a second quantum.
void DiskScheduler::dispatch_turn(Flow& flow) {
    if (!flow.is_in_turn_) {
        flow.is_in_turn_ = true;
        flow.deficit_ += scheduler_quantum_size;
    }
    while (Transfer* const transfer = flow.queued_.front()) {
        if (cost_of(*transfer) > flow.deficit_) {
            flow.is_in_turn_ = false;
            waiting_.remove(flow);
            waiting_.push_back(flow);
            return;
        }
        if (in_flight_count_ == depth_max_) return;
        flow.deficit_ -= cost_of(*transfer);
        flow.queued_.remove(*transfer);
        start(*transfer);
    }
    flow.is_in_turn_ = false;
    flow.deficit_ = 0;
    waiting_.remove(flow);
}

void DiskScheduler::start(Transfer& transfer) {
    ++in_flight_count_;
    const auto count_done = io::bind<&Transfer::count_done>(&transfer);
    const auto ok_done = io::bind<&Transfer::ok_done>(&transfer);
    const io::Loop::Range range = {
        .file = transfer.file, .offset = transfer.offset, .size = transfer.size};
    switch (transfer.kind) {
        case Transfer::Kind::read:
            loop_.read(transfer.completion,
                       {.file = transfer.file,
                        .buffer = {transfer.data, transfer.size},
                        .offset = transfer.offset},
                       count_done);
            break;
        case Transfer::Kind::write:
            loop_.write(transfer.completion,
                        {.file = transfer.file,
                         .buffer = {transfer.data, transfer.size},
                         .offset = transfer.offset},
                        count_done);
            break;
        case Transfer::Kind::punch_hole:
            loop_.punch_hole(transfer.completion, range, ok_done);
            break;
        case Transfer::Kind::zero_range:
            loop_.zero_range(transfer.completion, range, ok_done);
            break;
        case Transfer::Kind::extents:
            loop_.extents(transfer.completion,
                          {.file = transfer.file,
                           .offset = transfer.offset,
                           .size = transfer.size,
                           .extents = {transfer.extents, transfer.extents_max}},
                          count_done);
            break;
    }
}

void DiskScheduler::finish(Transfer& transfer, Result<uint32_t> result) {
    ASSERT(in_flight_count_ > 0);
    --in_flight_count_;
    transfer.has_failed = !result;
    dispatch();
    transfer.done(result);  // Last: it may give the transfer's memory back.
}

void Transfer::count_done(Result<uint32_t> result) {
    // The file holds every byte that an export shows, so fewer mean that it was truncated.
    const bool is_short = result && kind != Kind::extents && *result < size;
    if (is_short) {
        result = Error{.code = ErrorCode::disk, .during = "read past the end of the data file"};
    }
    scheduler->finish(*this, result);
}

void Transfer::ok_done(Result<Ok> result) {
    scheduler->finish(*this, result ? Result<uint32_t>(0u) : Result<uint32_t>(result.error()));
}

}  // namespace blockd::storage
