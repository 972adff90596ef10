#include "blockctl/memory_endpoint.h"

#include <algorithm>
#include <utility>

namespace blockd::blockctl {

MemoryEndpoint::MemoryEndpoint(std::string name, uint64_t size, std::mt19937& random)
    : bytes(size), holes(size), random_(random) {
    own_info() = {.name = std::move(name),
                  .size = size,
                  .alignment = 1,
                  .request_size_max = 32u << 20,
                  .is_server = true,
                  .is_read_only = false,
                  .reads_as_zeros = false,
                  .can_zero = true,
                  .can_report_extents = true};
}

void MemoryEndpoint::read(EndpointRequest& /*request*/, std::span<std::byte> buffer,
                          uint64_t offset, io::Callback<Result<Ok>> done) {
    ASSERT(buffer.size() <= info().request_size_max);
    add({.kind = Fault::Kind::read,
         .offset = offset,
         .size = buffer.size(),
         .read_to = buffer.data(),
         .done = done});
}

void MemoryEndpoint::write(EndpointRequest& /*request*/, std::span<const std::byte> buffer,
                           uint64_t offset, io::Callback<Result<Ok>> done) {
    ASSERT(buffer.size() <= info().request_size_max);
    add({.kind = Fault::Kind::write,
         .offset = offset,
         .size = buffer.size(),
         .write_from = buffer.data(),
         .done = done});
}

void MemoryEndpoint::zero(EndpointRequest& /*request*/, uint64_t offset, uint64_t size,
                          io::Callback<Result<Ok>> done) {
    ASSERT(info().can_zero);
    add({.kind = Fault::Kind::zero, .offset = offset, .size = size, .done = done});
}

void MemoryEndpoint::flush(EndpointRequest& /*request*/, io::Callback<Result<Ok>> done) {
    add({.kind = Fault::Kind::flush, .offset = 0, .size = 0, .done = done});
}

void MemoryEndpoint::extents(EndpointRequest& /*request*/, std::span<io::Extent> extents,
                             uint64_t offset, uint64_t size, io::Callback<Result<uint32_t>> done) {
    ASSERT(info().can_report_extents);
    add({.kind = Fault::Kind::extents,
         .offset = offset,
         .size = size,
         .extents = extents,
         .extents_done = done});
}

std::string MemoryEndpoint::failure_words(const EndpointRequest& /*request*/,
                                          const Error& /*error*/) const {
    return "the test said so";
}

void MemoryEndpoint::add(const Pending& pending) {
    check_range(pending.offset, pending.size);
    pending_.push_back(pending);
    pending_max_ = std::max(pending_max_, pending_.size());
}

void MemoryEndpoint::check_range(uint64_t offset, uint64_t size) const {
    ASSERT(offset + size <= info().size);
    ASSERT(offset % info().alignment == 0);
    ASSERT(size % info().alignment == 0 || offset + size == info().size);
}

bool MemoryEndpoint::step() {
    if (pending_.empty()) return false;

    const size_t chosen = random_() % pending_.size();
    std::swap(pending_[chosen], pending_.back());
    const Pending pending = pending_.back();
    pending_.pop_back();

    if (is_faulty(pending)) {
        const Error error = {.code = fault->code};
        pending.extents_done ? pending.extents_done(error) : pending.done(error);
    } else if (pending.extents_done) {
        pending.extents_done(fill_extents(pending));
    } else {
        perform(pending);
        pending.done(Ok());
    }
    return true;
}

bool MemoryEndpoint::is_faulty(const Pending& pending) const {
    if (!fault || fault->kind != pending.kind) return false;
    return pending.size == 0 ||
           (fault->offset >= pending.offset && fault->offset < pending.offset + pending.size);
}

void MemoryEndpoint::perform(const Pending& pending) {
    std::byte* const place = bytes.data() + pending.offset;
    was_flushed_last_ = pending.kind == Fault::Kind::flush;
    switch (pending.kind) {
        case Fault::Kind::read:
            std::copy_n(place, pending.size, pending.read_to);
            size_read_ += pending.size;
            break;
        case Fault::Kind::write:
            std::copy_n(pending.write_from, pending.size, place);
            size_written_ += pending.size;
            break;
        case Fault::Kind::zero:
            std::fill_n(place, pending.size, std::byte(0));
            size_zeroed_ += pending.size;
            break;
        case Fault::Kind::flush: ++flush_count_; break;
        case Fault::Kind::extents: break;
    }
}

// Cut at random, as servers do; the last may run past what was asked for.
uint32_t MemoryEndpoint::fill_extents(const Pending& pending) {
    const size_t count_max = 1 + random_() % std::min(pending.extents.size(), size_t(4));
    uint32_t count = 0;
    uint64_t at = pending.offset;
    while (count < count_max && at < pending.offset + pending.size) {
        uint64_t end = at + 1;
        while (end < info().size && holes[end] == holes[at] && random_() % 5000 != 0) ++end;
        pending.extents[count] = {.size = end - at, .is_hole = holes[at]};
        ++count;
        at = end;
    }
    return count;
}

}  // namespace blockd::blockctl
