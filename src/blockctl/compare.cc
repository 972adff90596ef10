#include "blockctl/compare.h"

#include <algorithm>
#include <cstring>

namespace blockd::blockctl {
namespace {

uint32_t fitting_request_size(const Endpoint& first, const Endpoint& second, uint32_t wanted) {
    const uint32_t alignment = std::max(first.info().alignment, second.info().alignment);
    const uint32_t fitting =
        std::min({wanted, first.info().request_size_max, second.info().request_size_max});
    return std::max(fitting / alignment * alignment, alignment);
}

}  // namespace

Compare::Compare(Endpoint& first, Endpoint& second, const Options& options)
    : first_(first),
      second_(second),
      options_(options),
      buffers_(2 * options.requests, fitting_request_size(first, second, options.request_size)),
      sides_(std::make_unique<Side[]>(size_t(2) * options.requests)) {
    ASSERT(options.size <= first.info().size && options.size <= second.info().size);
    options_.request_size = fitting_request_size(first, second, options.request_size);
    if (!has_memory()) return;
    for (uint32_t index = 0; index < 2 * options.requests; ++index) {
        Side& side = sides_[index];
        side.compare = this;
        side.other = &sides_[index ^ 1];
        side.endpoint = index % 2 == 0 ? &first_ : &second_;
        side.buffer = buffers_.at(index);
        if (index % 2 == 0) idle_.push_back(side);
    }
}

void Compare::start() {
    ASSERT(!is_done_ && next_ == 0);
    advance();
}

void Compare::advance() {
    while (!is_ending() && !idle_.is_empty()) {
        const uint64_t size = std::min(uint64_t(options_.request_size), options_.size - next_);
        begin(*idle_.pop_front(), next_, size);
        next_ += size;
    }
    if (is_ending() && idle_.count() == options_.requests) is_done_ = true;
}

void Compare::begin(Side& first, uint64_t offset, uint64_t size) {
    for (Side* const side : {&first, first.other}) {
        const EndpointInfo& info = side->endpoint->info();
        const uint64_t blocks = (size + info.alignment - 1) / info.alignment * info.alignment;
        side->offset = offset;
        side->size = size;
        side->is_read = false;
        // The end may lie inside a block of the larger side, which gives whole ones only.
        const uint64_t read_size = std::min(blocks, info.size - offset);
        side->endpoint->read(side->request, side->buffer.first(read_size), offset,
                             io::bind<&Side::read_done>(side));
    }
}

void Compare::Side::read_done(Result<Ok> result) {
    is_read = true;
    if (!result && !compare->failure_) {
        compare->failure_ =
            describe_failure(*endpoint, request, "read", offset, size, result.error());
    }
    if (other->is_read) compare->both_read(*this);
}

void Compare::both_read(Side& side) {
    if (!failure_) judge(side);
    size_done_ += side.size;
    idle_.push_back(side.endpoint == &first_ ? side : *side.other);
    advance();
}

// Pieces come back in any order: of two that differ, the one further to the front counts.
void Compare::judge(const Side& side) {
    const auto mine = side.buffer.first(side.size);
    const auto theirs = side.other->buffer.first(side.size);
    if (std::memcmp(mine.data(), theirs.data(), mine.size()) == 0) return;

    const auto place = std::ranges::mismatch(mine, theirs);
    const uint64_t offset = side.offset + uint64_t(place.in1 - mine.begin());
    difference_ = std::min(difference_.value_or(offset), offset);
}

}  // namespace blockd::blockctl
