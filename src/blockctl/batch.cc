#include "blockctl/batch.h"

namespace blockd::blockctl {

Batch::Batch(Session& session) : session_(session) {
    for (Slot& slot : slots_) {
        slot.batch = this;
        idle_.push_back(slot);
    }
}

Batch::~Batch() { ASSERT(idle_.count() == depth); }

bool Batch::read(std::span<std::byte> buffer, const Range& range) {
    Slot* const slot = acquire("read", range);
    if (slot == nullptr) return false;
    session_.client().read(slot->transfer, buffer, range, io::bind<&Slot::done>(slot));
    return true;
}

bool Batch::write(std::span<const std::byte> buffer, const Range& range) {
    Slot* const slot = acquire("write", range);
    if (slot == nullptr) return false;
    session_.client().write(slot->transfer, buffer, range, io::bind<&Slot::done>(slot));
    return true;
}

bool Batch::trim(const Range& range) {
    Slot* const slot = acquire("trim", range);
    if (slot == nullptr) return false;
    session_.client().trim(slot->transfer, range, io::bind<&Slot::done>(slot));
    return true;
}

bool Batch::write_zeroes(const Range& range) {
    Slot* const slot = acquire("zero", range);
    if (slot == nullptr) return false;
    session_.client().write_zeroes(slot->transfer, range, io::bind<&Slot::done>(slot));
    return true;
}

Batch::Slot* Batch::acquire(const char* action, const Range& range) {
    while (!failure_ && idle_.is_empty()) session_.loop().flush(io::loop_wait_ns_max);
    if (failure_) return nullptr;

    Slot* const slot = idle_.pop_front();
    slot->action = action;
    slot->range = range;
    return slot;
}

void Batch::Slot::done(Result<Ok> result) {
    if (!result && !batch->failure_) {
        batch->failure_ = Failure{.action = action,
                                  .range = range,
                                  .words = batch->session_.words_of_failure(result.error())};
    }
    batch->idle_.push_back(*this);
}

ExitStatus Batch::wait() {
    while (idle_.count() < depth) session_.loop().flush(io::loop_wait_ns_max);
    if (!failure_) return ExitStatus::done;
    return session_.fail(failure_->action, failure_->range.offset, failure_->range.size,
                         failure_->words);
}

}  // namespace blockd::blockctl
