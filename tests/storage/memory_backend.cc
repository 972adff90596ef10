#include "storage/memory_backend.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace blockd::testing {

MemoryBackend::MemoryBackend(const Options& options)
    : options_(options), bytes_(options.has_bytes ? options.size : 0) {}

io::DataFile MemoryBackend::file() const {
    return {.fd = io::Fd(3),
            .size = options_.size,
            .alignment = options_.alignment,
            .hole_alignment = options_.hole_alignment,
            .caching = io::Caching::direct,
            .can_punch_hole = true,
            .can_zero_range = true,
            .can_report_extents = !layout.empty()};
}

size_t MemoryBackend::count(io::OperationKind kind) const {
    return size_t(std::ranges::count(records_, kind, &Record::kind));
}

MemoryBackend::Record MemoryBackend::pending(size_t index) const {
    ASSERT(index < pending_.count());
    io::Completion* completion = pending_.front();
    while (index-- > 0) completion = io::CompletionList::next(*completion);
    const io::Operation& operation = completion->operation;
    return {.kind = operation.kind, .offset = operation.offset, .size = operation.size};
}

io::Completion& MemoryBackend::take(size_t index) {
    ASSERT(index < pending_.count());
    io::Completion* completion = pending_.front();
    while (index-- > 0) completion = io::CompletionList::next(*completion);
    pending_.remove(*completion);
    finished_.push_back(*completion);
    return *completion;
}

void MemoryBackend::finish(size_t index) {
    io::Completion& completion = take(index);
    completion.result = perform(completion.operation);
}

void MemoryBackend::finish_short(size_t index, uint32_t moved) { take(index).result = moved; }

void MemoryBackend::fail(size_t index, int os_errno) { take(index).result = -os_errno; }

void MemoryBackend::submit(io::CompletionList& submitted, io::CompletionList&) {
    while (io::Completion* const completion = submitted.pop_front()) {
        const io::Operation& operation = completion->operation;
        records_.push_back(
            {.kind = operation.kind, .offset = operation.offset, .size = operation.size});
        pending_.push_back(*completion);
    }
}

void MemoryBackend::poll(io::CompletionList& completed, uint64_t wait_ns) {
    if (!options_.is_manual) {
        while (!pending_.is_empty()) finish(0);
    }
    now_ns_ += finished_.is_empty() ? wait_ns : next_poll_ns;
    next_poll_ns = 0;
    completed.append(finished_);
}

void MemoryBackend::cancel(io::Completion&, io::CompletionList&) {}

int64_t MemoryBackend::perform(const io::Operation& operation) {
    const uint64_t mask = options_.alignment - 1;
    switch (operation.kind) {
        case io::OperationKind::read:
        case io::OperationKind::write: {
            ASSERT(((operation.offset | operation.size) & mask) == 0);
            ASSERT((reinterpret_cast<uintptr_t>(operation.data) & mask) == 0);
            ASSERT(operation.offset + operation.size <= bytes_.size());
            std::byte* const at = bytes_.data() + operation.offset;
            const bool is_read = operation.kind == io::OperationKind::read;
            if (is_read && is_bad(operation)) return -EIO;
            std::memcpy(is_read ? operation.data : at, is_read ? at : operation.data,
                        operation.size);
            return int64_t(operation.size);
        }
        case io::OperationKind::sync: return fails_syncs ? -EIO : 0;
        case io::OperationKind::punch_hole: return perform_range(operation, refuses_punch_hole);
        case io::OperationKind::zero_range: return perform_range(operation, refuses_zero_range);
        case io::OperationKind::extents: return perform_extents(operation);
        default: ASSERT(false); return -EINVAL;
    }
}

bool MemoryBackend::is_bad(const io::Operation& read) const {
    return read.size > good_read_max || std::ranges::any_of(bad_bytes, [&](uint64_t byte) {
               return byte >= read.offset && byte - read.offset < read.size;
           });
}

int64_t MemoryBackend::perform_extents(const io::Operation& operation) const {
    const uint64_t end = operation.offset + operation.size;
    uint32_t count = 0;
    uint64_t begin = 0;
    for (const io::Extent& extent : layout) {
        const uint64_t from = std::max(begin, operation.offset);
        begin += extent.size;
        const uint64_t to = std::min(begin, end);
        if (from >= to) continue;
        if (count == operation.extents_max) break;
        operation.extents[count++] = {.size = to - from, .is_hole = extent.is_hole};
    }
    return count;
}

int64_t MemoryBackend::perform_range(const io::Operation& operation, bool is_refused) {
    if (is_refused) return -EOPNOTSUPP;
    ASSERT(((operation.offset | operation.size) & (options_.hole_alignment - 1)) == 0);
    ASSERT(operation.offset + operation.size <= options_.size);
    if (!options_.has_bytes) return 0;
    std::memset(bytes_.data() + operation.offset, 0, operation.size);
    return 0;
}

Result<io::Fd> MemoryBackend::open_socket(io::AddressFamily) {
    ASSERT(false);
    return io::Fd::none;
}

Result<io::Fd> MemoryBackend::listen(const io::ListenOptions&) {
    ASSERT(false);
    return io::Fd::none;
}

void MemoryBackend::shutdown(io::Fd, io::ShutdownKind) { ASSERT(false); }

Result<io::Address> MemoryBackend::local_address(io::Fd) {
    ASSERT(false);
    return io::Address();
}

Result<io::Address> MemoryBackend::peer_address(io::Fd) {
    ASSERT(false);
    return io::Address();
}

}  // namespace blockd::testing
