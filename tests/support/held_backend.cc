#include "support/held_backend.h"

#include <algorithm>
#include <cerrno>

namespace blockd::support {
namespace {

using io::OperationKind;

bool is_change(OperationKind kind) {
    return kind == OperationKind::write || kind == OperationKind::punch_hole ||
           kind == OperationKind::zero_range;
}

}  // namespace

HeldBackend::HeldBackend(std::unique_ptr<io::Backend> inner, uint64_t file_size)
    : inner_(std::move(inner)), durable_(file_size, '\0') {}

void HeldBackend::hold(OperationKind kind) {
    const std::lock_guard lock(mutex_);
    kinds_[static_cast<size_t>(kind)].is_held = true;
}

void HeldBackend::release(OperationKind kind) {
    {
        const std::lock_guard lock(mutex_);
        kinds_[static_cast<size_t>(kind)].is_held = false;
    }
    inner_->wake();
}

void HeldBackend::release_one(OperationKind kind) {
    {
        const std::lock_guard lock(mutex_);
        ++kinds_[static_cast<size_t>(kind)].releases;
    }
    inner_->wake();
}

void HeldBackend::release_newest_first(OperationKind kind) {
    {
        const std::lock_guard lock(mutex_);
        kinds_[static_cast<size_t>(kind)].is_held = false;
        kinds_[static_cast<size_t>(kind)].is_newest_first = true;
    }
    inner_->wake();
}

uint32_t HeldBackend::held_count(OperationKind kind) const {
    const std::lock_guard lock(mutex_);
    const Kind& entry = kinds_[static_cast<size_t>(kind)];
    return static_cast<uint32_t>(entry.waiting.count()) - entry.releases;
}

uint32_t HeldBackend::arrived_count(OperationKind kind) const {
    const std::lock_guard lock(mutex_);
    return kinds_[static_cast<size_t>(kind)].arrived;
}

void HeldBackend::fail_next(OperationKind kind, int32_t result, uint32_t count) {
    const std::lock_guard lock(mutex_);
    kinds_[static_cast<size_t>(kind)].failure = result;
    kinds_[static_cast<size_t>(kind)].failures = count;
}

void HeldBackend::break_byte(uint64_t offset) {
    const std::lock_guard lock(mutex_);
    broken_byte_ = offset;
}

bool HeldBackend::is_broken(const io::Completion& completion) const {
    const io::Operation& operation = completion.operation;
    return broken_byte_ && operation.kind == OperationKind::read &&
           *broken_byte_ >= operation.offset && *broken_byte_ - operation.offset < operation.size;
}

std::string HeldBackend::durable_bytes(uint64_t offset, uint64_t size) const {
    const std::lock_guard lock(mutex_);
    return durable_.substr(offset, size);
}

HeldBackend::Kind& HeldBackend::kind_of(const io::Completion& completion) {
    return kinds_[static_cast<size_t>(completion.operation.kind)];
}

void HeldBackend::submit(io::CompletionList& submitted, io::CompletionList& completed) {
    io::CompletionList passing;
    {
        const std::lock_guard lock(mutex_);
        while (io::Completion* const completion = submitted.pop_front()) {
            Kind& kind = kind_of(*completion);
            ++kind.arrived;
            if (kind.failures > 0 || is_broken(*completion)) {
                completion->result = kind.failures > 0 ? kind.failure : -EIO;
                kind.failures -= std::min(kind.failures, 1u);
                completed.push_back(*completion);
            } else if (kind.is_held) {
                kind.waiting.push_back(*completion);
            } else {
                passing.push_back(*completion);
            }
        }
    }
    pass_on(passing, completed);
}

void HeldBackend::pass_on(io::CompletionList& operations, io::CompletionList& completed) {
    {
        const std::lock_guard lock(mutex_);
        for (const io::Completion* completion = operations.front(); completion != nullptr;
             completion = io::CompletionList::next(*completion)) {
            if (completion->operation.kind != OperationKind::sync) continue;
            running_syncs_.push_back({.completion = completion, .change_count = changes_.size()});
        }
    }
    io::CompletionList found;
    inner_->submit(operations, found);
    take_completed(found, completed);
}

// The next one that may go; nullptr when there is none now.
io::Completion* HeldBackend::take_released(Kind& kind) {
    if (kind.waiting.is_empty()) return nullptr;
    if (kind.is_newest_first) {
        if (kind.running != nullptr) return nullptr;
        io::Completion* newest = kind.waiting.front();
        while (io::Completion* const next = io::CompletionList::next(*newest)) newest = next;
        kind.waiting.remove(*newest);
        kind.running = newest;
        kind.is_newest_first = !kind.waiting.is_empty();
        return newest;
    }
    if (kind.is_held && kind.releases == 0) return nullptr;
    if (kind.releases > 0) --kind.releases;
    return kind.waiting.pop_front();
}

void HeldBackend::pass_on_released(io::CompletionList& completed) {
    io::CompletionList released;
    {
        const std::lock_guard lock(mutex_);
        for (Kind& kind : kinds_) {
            while (io::Completion* const next = take_released(kind)) released.push_back(*next);
        }
    }
    if (!released.is_empty()) pass_on(released, completed);
}

void HeldBackend::poll(io::CompletionList& completed, uint64_t wait_ns) {
    pass_on_released(completed);
    io::CompletionList found;
    inner_->poll(found, completed.is_empty() ? wait_ns : 0);
    take_completed(found, completed);
}

void HeldBackend::take_completed(io::CompletionList& found, io::CompletionList& completed) {
    const std::lock_guard lock(mutex_);
    while (io::Completion* const completion = found.pop_front()) {
        record(*completion);
        completed.push_back(*completion);
    }
}

void HeldBackend::record(const io::Completion& completion) {
    const io::Operation& operation = completion.operation;
    Kind& kind = kind_of(completion);
    if (kind.running == &completion) kind.running = nullptr;
    if (is_change(operation.kind) && completion.result >= 0) {
        std::string bytes(operation.size, '\0');
        if (operation.kind == OperationKind::write) {
            bytes.assign(reinterpret_cast<const char*>(operation.data), operation.size);
        }
        changes_.push_back({.offset = operation.offset, .bytes = std::move(bytes)});
    }
    if (operation.kind != OperationKind::sync) return;

    const auto running =
        std::find_if(running_syncs_.begin(), running_syncs_.end(),
                     [&](const RunningSync& sync) { return sync.completion == &completion; });
    if (running == running_syncs_.end()) return;
    for (; completion.result >= 0 && durable_change_count_ < running->change_count;
         ++durable_change_count_) {
        const Change& change = changes_[durable_change_count_];
        if (change.offset >= durable_.size()) continue;
        const size_t size =
            std::min<uint64_t>(change.bytes.size(), durable_.size() - change.offset);
        durable_.replace(change.offset, size, change.bytes, 0, size);
    }
    running_syncs_.erase(running);
}

void HeldBackend::cancel(io::Completion& completion, io::CompletionList& completed) {
    {
        const std::lock_guard lock(mutex_);
        Kind& kind = kind_of(completion);
        for (io::Completion* waiting = kind.waiting.front(); waiting != nullptr;
             waiting = io::CompletionList::next(*waiting)) {
            if (waiting != &completion) continue;
            kind.waiting.remove(completion);
            completion.result = -ECANCELED;
            completed.push_back(completion);
            return;
        }
    }
    io::CompletionList found;
    inner_->cancel(completion, found);
    take_completed(found, completed);
}

Result<io::Fd> HeldBackend::open_socket(io::AddressFamily family) {
    return inner_->open_socket(family);
}

Result<io::Fd> HeldBackend::listen(const io::ListenOptions& options) {
    return inner_->listen(options);
}

void HeldBackend::shutdown(io::Fd socket, io::ShutdownKind kind) { inner_->shutdown(socket, kind); }

Result<io::Address> HeldBackend::local_address(io::Fd socket) {
    return inner_->local_address(socket);
}

Result<io::Address> HeldBackend::peer_address(io::Fd socket) {
    return inner_->peer_address(socket);
}

}  // namespace blockd::support
