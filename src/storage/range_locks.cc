#include "storage/range_locks.h"

#include <blockd/assert.h>

#include <algorithm>

namespace blockd::storage {

namespace {

template <typename Left, typename Right>
bool overlap(const Left& left, const Right& right) {
    return left.begin < right.end && right.begin < left.end;
}

}  // namespace

RangeLocks::RangeLocks(uint32_t locks_max) {
    held_.reserve(locks_max);
    holders_.reserve(locks_max);
}

RangeLocks::~RangeLocks() {
    ASSERT(held_.empty());
    ASSERT(waiting_.is_empty());
}

bool RangeLocks::acquire(RangeLock& lock) {
    ASSERT(lock.begin < lock.end);
    const std::lock_guard guard(mutex_);
    if (overlaps_held({lock.begin, lock.end}) || overlaps_before(waiting_, lock)) {
        waiting_.push_back(lock);
        return false;
    }
    hold(lock);
    return true;
}

void RangeLocks::release(RangeLock& lock) {
    WaitingList granted;
    {
        const std::lock_guard guard(mutex_);
        let_go(lock);
        grant(granted);
    }
    while (RangeLock* const waiter = granted.pop_front()) waiter->granted(Ok{});
}

void RangeLocks::let_go(RangeLock& lock) {
    const uint32_t index = lock.held_index;
    ASSERT(index < holders_.size());
    ASSERT(holders_[index] == &lock);
    held_[index] = held_.back();
    holders_[index] = holders_.back();
    holders_[index]->held_index = index;
    held_.pop_back();
    holders_.pop_back();
}

// Whoever waited for nothing else goes on. All are chosen before the first is called, which may
// release, acquire, or destroy its lock.
void RangeLocks::grant(WaitingList& granted) {
    for (RangeLock* waiter = waiting_.front(); waiter != nullptr;) {
        RangeLock* const next = WaitingList::next(*waiter);
        if (!overlaps_held({waiter->begin, waiter->end}) && !overlaps_before(waiting_, *waiter)) {
            waiting_.remove(*waiter);
            hold(*waiter);
            granted.push_back(*waiter);
        }
        waiter = next;
    }
}

bool RangeLocks::is_held(uint64_t begin, uint64_t end) const {
    const std::lock_guard guard(mutex_);
    return overlaps_held({begin, end});
}

size_t RangeLocks::held_count() const {
    const std::lock_guard guard(mutex_);
    return held_.size();
}

size_t RangeLocks::waiting_count() const {
    const std::lock_guard guard(mutex_);
    return waiting_.count();
}

bool RangeLocks::overlaps_held(const Held& range) const {
    return std::ranges::any_of(held_, [&](const Held& held) { return overlap(held, range); });
}

// Whether one that waits in front of `lock` (all of them, when it does not wait yet) overlaps it.
bool RangeLocks::overlaps_before(const WaitingList& waiting, const RangeLock& lock) {
    for (RangeLock* other = waiting.front(); other != nullptr && other != &lock;
         other = WaitingList::next(*other)) {
        if (overlap(*other, lock)) return true;
    }
    return false;
}

void RangeLocks::hold(RangeLock& lock) {
    ASSERT(held_.size() < held_.capacity());
    lock.held_index = uint32_t(held_.size());
    held_.push_back({.begin = lock.begin, .end = lock.end});
    holders_.push_back(&lock);
}

}  // namespace blockd::storage
