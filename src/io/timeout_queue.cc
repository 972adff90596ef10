#include "io/timeout_queue.h"

#include <algorithm>

namespace blockd::io {

uint64_t TimeoutQueue::next_deadline_ns() const {
    return entries_.empty() ? no_deadline : entries_.front().deadline_ns;
}

void TimeoutQueue::insert(Completion& completion, uint64_t deadline_ns) {
    ASSERT(entries_.size() < UINT32_MAX);
    completion.deadline_ns = deadline_ns;
    completion.sequence = next_sequence_++;
    entries_.push_back({});
    sift_up(entries_.size() - 1, {.deadline_ns = deadline_ns, .completion = &completion});
}

void TimeoutQueue::remove(Completion& completion) {
    const size_t index = completion.heap_index;
    ASSERT(index < entries_.size());
    ASSERT(entries_[index].completion == &completion);
    const Entry last = entries_.back();
    entries_.pop_back();
    if (index == entries_.size()) return;
    const bool moves_up = index > 0 && is_before(last, entries_[(index - 1) / children_max]);
    moves_up ? sift_up(index, last) : sift_down(index, last);
}

Completion* TimeoutQueue::pop_due(uint64_t now_ns) {
    if (entries_.empty() || entries_.front().deadline_ns > now_ns) return nullptr;
    Completion* const due = entries_.front().completion;
    remove(*due);
    return due;
}

bool TimeoutQueue::is_before(const Entry& left, const Entry& right) {
    ++comparisons_;
    if (left.deadline_ns != right.deadline_ns) return left.deadline_ns < right.deadline_ns;
    return left.completion->sequence < right.completion->sequence;
}

void TimeoutQueue::place(size_t index, const Entry& entry) {
    entries_[index] = entry;
    entry.completion->heap_index = static_cast<uint32_t>(index);
}

void TimeoutQueue::sift_up(size_t index, const Entry& entry) {
    while (index > 0) {
        const size_t parent = (index - 1) / children_max;
        if (!is_before(entry, entries_[parent])) break;
        place(index, entries_[parent]);
        index = parent;
    }
    place(index, entry);
}

void TimeoutQueue::sift_down(size_t index, const Entry& entry) {
    while (index * children_max + 1 < entries_.size()) {
        const size_t child = first_child_in_order(index);
        if (!is_before(entries_[child], entry)) break;
        place(index, entries_[child]);
        index = child;
    }
    place(index, entry);
}

size_t TimeoutQueue::first_child_in_order(size_t index) {
    const size_t begin = index * children_max + 1;
    const size_t end = std::min(begin + children_max, entries_.size());
    size_t first = begin;
    for (size_t child = begin + 1; child < end; ++child) {
        if (is_before(entries_[child], entries_[first])) first = child;
    }
    return first;
}

}  // namespace blockd::io
