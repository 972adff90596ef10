#include "blockctl/copy.h"

#include <algorithm>

namespace blockd::blockctl {
namespace {

uint32_t common_alignment(const Endpoint& source, const Endpoint& target) {
    return std::max(source.info().alignment, target.info().alignment);
}

uint32_t fitting_request_size(const Endpoint& source, const Endpoint& target, uint32_t wanted) {
    const uint32_t alignment = common_alignment(source, target);
    const uint32_t fitting =
        std::min({wanted, source.info().request_size_max, target.info().request_size_max});
    return std::max(fitting / alignment * alignment, alignment);
}

}  // namespace

Copy::Copy(Endpoint& source, Endpoint& target, const Options& options)
    : source_(source),
      target_(target),
      options_(options),
      plan_({.size = source.info().size,
             .request_size = fitting_request_size(source, target, options.request_size),
             .zero_size_max = target.info().can_zero || target.info().reads_as_zeros
                                  ? zero_size_max
                                  : fitting_request_size(source, target, options.request_size),
             .alignment = common_alignment(source, target)}),
      buffers_(options.requests, fitting_request_size(source, target, options.request_size)),
      slots_(std::make_unique<Slot[]>(options.requests)),
      window_(options.requests),
      extents_(extents_count_max) {
    ASSERT(target.info().size >= source.info().size);
    const uint32_t alignment = common_alignment(source, target);
    options_.sparse_size = (options.sparse_size + alignment - 1) / alignment * alignment;
    if (!has_memory()) return;
    for (uint32_t index = 0; index < options.requests; ++index) {
        slots_[index].copy = this;
        slots_[index].buffer = buffers_.at(index);
        idle_.push_back(slots_[index]);
    }
}

void Copy::start() {
    ASSERT(!is_done_ && size_done_ == 0);
    advance();
}

void Copy::advance() {
    while (!failure_ && has_room() && plan_.has_piece()) begin(plan_.next());

    if (failure_ || plan_.is_complete()) {
        if (idle_.count() == options_.requests && !are_extents_in_flight_) finish();
    } else if (!plan_.has_piece()) {
        find_extents();
    }
}

// A request to zero takes as long as it takes: the window says nothing of those.
bool Copy::has_room() const {
    const size_t under_way = options_.requests - idle_.count() - zeroing_count_;
    return !idle_.is_empty() && under_way < window_.size();
}

void Copy::begin(const Piece& piece) {
    if (piece.is_zero && target_.info().reads_as_zeros) {
        size_done_ += piece.size;
        return;
    }
    Slot& slot = *idle_.pop_front();
    slot.piece = piece;
    slot.part_offset = 0;
    slot.began_at = options_.now_ns();
    if (piece.is_zero) return begin_zero(slot);
    source_.read(slot.request, slot.buffer.first(piece.size), piece.offset,
                 io::bind<&Slot::read_done>(&slot));
}

void Copy::begin_zero(Slot& slot) {
    const Piece& piece = slot.piece;
    if (target_.info().can_zero) {
        ++zeroing_count_;
        return target_.zero(slot.request, piece.offset, piece.size,
                            io::bind<&Slot::zero_done>(&slot));
    }
    ASSERT(piece.size <= slot.buffer.size());
    const auto zeros = slot.buffer.first(piece.size);
    std::ranges::fill(zeros, std::byte(0));
    queue_write(slot);
}

void Copy::Slot::read_done(Result<Ok> result) {
    if (!result) {
        copy->fail(describe_failure(copy->source_, request, "read", piece.offset, piece.size,
                                    result.error()));
        return copy->end(*this);
    }
    copy->queue_write(*this);
}

void Copy::queue_write(Slot& slot) {
    waiting_.push_back(slot);
    begin_writes();
}

// A piece that turns out to be zeros may be done at once, and comes back here: the loop goes on.
void Copy::begin_writes() {
    if (is_beginning_writes_) return;
    is_beginning_writes_ = true;
    while (!waiting_.is_empty() && writing_count_ < target_.info().writes_at_once) {
        Slot& slot = *waiting_.pop_front();
        ++writing_count_;
        if (failure_) {
            end_write(slot);
        } else {
            continue_write(slot);
        }
    }
    is_beginning_writes_ = false;
}

// Writes the next part: up to the next zeros that need not be sent, or to the end.
void Copy::continue_write(Slot& slot) {
    const auto data = slot.buffer.first(slot.piece.size);
    while (slot.part_offset < data.size()) {
        const auto rest = data.subspan(slot.part_offset);
        const ZeroRun run = next_run(rest);
        slot.part_size = run.size;
        if (!run.is_zero) {
            return target_.write(slot.request, rest.first(run.size),
                                 slot.piece.offset + slot.part_offset,
                                 io::bind<&Slot::part_done>(&slot));
        }
        if (!target_.info().reads_as_zeros) {
            return target_.zero(slot.request, slot.piece.offset + slot.part_offset, run.size,
                                io::bind<&Slot::part_done>(&slot));
        }
        slot.part_offset += run.size;
    }
    size_done_ += slot.piece.size;
    window_.piece_done(slot.began_at, options_.now_ns());
    end_write(slot);
}

void Copy::Slot::part_done(Result<Ok> result) {
    if (!result) {
        copy->fail(describe_failure(copy->target_, request, "write", piece.offset + part_offset,
                                    part_size, result.error()));
        return copy->end_write(*this);
    }
    part_offset += part_size;
    copy->continue_write(*this);
}

void Copy::Slot::zero_done(Result<Ok> result) {
    --copy->zeroing_count_;
    if (result) {
        copy->size_done_ += piece.size;
    } else {
        copy->fail(describe_failure(copy->target_, request, "zero", piece.offset, piece.size,
                                    result.error()));
    }
    copy->end(*this);
}

void Copy::end_write(Slot& slot) {
    ASSERT(writing_count_ > 0);
    --writing_count_;
    begin_writes();
    end(slot);
}

// The slot that was used last is used next: its buffer is the likeliest to be cached.
void Copy::end(Slot& slot) {
    idle_.push_front(slot);
    advance();
}

// What can be written at once: all of it, unless zeros are looked for and can be spared.
ZeroRun Copy::next_run(std::span<const std::byte> data) const {
    const bool can_spare_zeros = target_.info().reads_as_zeros || target_.info().can_zero;
    if (options_.sparse_size == 0 || !can_spare_zeros) return {.size = data.size()};
    return front_run(data, options_.sparse_size);
}

void Copy::find_extents() {
    if (are_extents_in_flight_) return;

    const uint64_t offset = plan_.extents_offset();
    const uint64_t rest = size() - offset;
    if (!source_.info().can_report_extents || are_extents_refused_) {
        const io::Extent all = {.size = rest, .is_hole = false};
        plan_.add_extents({&all, 1});
        return advance();
    }
    are_extents_in_flight_ = true;
    source_.extents(extents_request_, extents_, offset, std::min(rest, extents_window),
                    io::bind<&Copy::find_extents_done>(this));
}

// A source that cannot say after all is one that could not from the start.
void Copy::find_extents_done(Result<uint32_t> count) {
    are_extents_in_flight_ = false;
    if (count) {
        if (!failure_) plan_.add_extents(std::span(extents_).first(*count));
    } else if (count.error().code == ErrorCode::not_supported ||
               count.error().code == ErrorCode::invalid) {
        are_extents_refused_ = true;
    } else {
        fail(describe_failure(
            source_, extents_request_, "get the block status of", plan_.extents_offset(),
            std::min(size() - plan_.extents_offset(), extents_window), count.error()));
    }
    advance();
}

void Copy::finish() {
    ASSERT(!is_done_);
    if (failure_ || options_.flush == FinalFlush::no) {
        is_done_ = true;
        return;
    }
    ASSERT(size_done_ == size());
    target_.flush(extents_request_, io::bind<&Copy::flush_done>(this));
}

void Copy::flush_done(Result<Ok> result) {
    if (!result) {
        fail(describe_failure(target_, extents_request_, "flush", 0, 0, result.error()));
    }
    is_done_ = true;
}

void Copy::fail(const EndpointFailure& failure) {
    if (!failure_) failure_ = failure;
}

}  // namespace blockd::blockctl
