#include "simulation/history.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cstring>

#include "simulation/random.h"

namespace blockd::simulation {
namespace {

constexpr uint64_t word_size = sizeof(uint64_t);
constexpr uint64_t sector_size = 512;
constexpr uint64_t word_step = 0x9e3779b97f4a7c15;

}  // namespace

History::History(const Layout& layout) : layout_(layout) {
    ASSERT(layout.cell_size % 32 == 0);
    ASSERT(layout.shift < layout.cell_size);
    cells_.resize((layout.disk_size - layout.shift) / layout.cell_size);
    writes_.push_back({});  // 0 stands for zeros.
}

// The first word tells the write and the cell; the others follow from both, so that a cell which
// is put together from two writes is seen.
uint64_t History::word_of(WriteId id, uint64_t cell, uint64_t index) const {
    const uint64_t first = (uint64_t(id) << 32) | cell;
    return index == 0 ? first : Random::mix(first) + index * word_step;
}

void History::fill(WriteId id, std::span<std::byte> payload) const {
    const Write& write = writes_[id];
    ASSERT(write.kind == WriteKind::data);
    ASSERT(payload.size() == (write.end_cell - write.first_cell) * layout_.cell_size);
    std::byte* at = payload.data();
    for (uint64_t cell = write.first_cell; cell < write.end_cell; ++cell) {
        const uint64_t first = word_of(id, cell, 0);
        const uint64_t base = Random::mix(first);
        std::memcpy(at, &first, word_size);
        for (uint64_t index = 1; index < layout_.cell_size / word_size; ++index) {
            const uint64_t word = base + index * word_step;
            std::memcpy(at + index * word_size, &word, word_size);
        }
        at += layout_.cell_size;
    }
}

WriteId History::decode(uint64_t cell, std::span<const std::byte> bytes) const {
    uint64_t first = 0;
    std::memcpy(&first, bytes.data(), word_size);
    uint64_t difference = 0;
    if (first == 0) {
        for (uint64_t index = 1; index < bytes.size() / word_size; ++index) {
            uint64_t word = 0;
            std::memcpy(&word, bytes.data() + index * word_size, word_size);
            difference |= word;
        }
        return difference == 0 ? zeros : garbled;
    }
    const WriteId id = WriteId(first >> 32);
    if (uint32_t(first) != cell || id == 0 || id >= writes_.size()) return garbled;
    const uint64_t base = Random::mix(first);
    for (uint64_t index = 1; index < bytes.size() / word_size; ++index) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data() + index * word_size, word_size);
        difference |= word ^ (base + index * word_step);
    }
    return difference == 0 ? id : garbled;
}

// A cell that lies in two sectors may be of two writes: while one is on its way, and after one that
// ended in the middle.
bool History::may_be_torn(uint64_t index, Moment sent) const {
    const uint64_t offset = offset_of(index);
    const bool is_in_one = offset / sector_size == (offset + layout_.cell_size - 1) / sector_size;
    if (is_in_one) return false;
    const Cell& cell = cells_[index];
    // The answer to a read may be older than all that is known by now.
    if (cell.known[0].since >= sent) return true;
    return cell.torn_at > 0 || cell.writes_pending > 0 || cell.settled_at >= sent;
}

WriteId History::begin_write(WriteKind kind, uint64_t offset, uint64_t size) {
    const uint64_t first =
        offset <= layout_.shift
            ? 0
            : (offset - layout_.shift + layout_.cell_size - 1) / layout_.cell_size;
    const uint64_t end =
        offset + size <= layout_.shift ? 0 : (offset + size - layout_.shift) / layout_.cell_size;
    const WriteId id = WriteId(writes_.size());
    writes_.push_back({.kind = kind,
                       .is_durable = false,
                       .first_cell = uint32_t(first),
                       .end_cell = uint32_t(std::max(first, std::min(end, cell_count()))),
                       .sent = next_moment(),
                       .settled = never,
                       .arrived_never = never});
    for (uint64_t cell = first; cell < writes_[id].end_cell; ++cell) {
        ++cells_[cell].writes_pending;
        if (kind != WriteKind::data) ++cells_[cell].zero_writes_pending;
    }
    return id;
}

// `is_whole`: all of it is there, and nothing else.
void History::settle(Write& write, bool is_whole) {
    if (write.settled != never) return;
    write.settled = now_;
    for (uint64_t index = write.first_cell; index < write.end_cell; ++index) {
        Cell& cell = cells_[index];
        --cell.writes_pending;
        cell.settled_at = now_;
        if (!is_whole) cell.torn_at = now_;
        if (write.kind == WriteKind::data) continue;
        --cell.zero_writes_pending;
        cell.zeros_settled = now_;
    }
}

void History::write_settled(WriteId id) {
    next_moment();
    settle(writes_[id], false);
}

void History::write_never_arrived(WriteId id) {
    write_settled(id);
    if (writes_[id].kind == WriteKind::data) writes_[id].arrived_never = 0;
}

void History::write_succeeded(WriteId id) {
    next_moment();
    Write& write = writes_[id];
    settle(write, write.kind != WriteKind::trim);
    if (write.kind == WriteKind::trim) return;
    const WriteId shown = write.kind == WriteKind::data ? id : zeros;
    for (uint64_t index = write.first_cell; index < write.end_cell; ++index) {
        Cell& cell = cells_[index];
        if (cell.is_forgotten && write.sent > cell.forgotten_at) {
            // Now something is known of it again, though not what a power cut would leave.
            cell.is_forgotten = false;
            cell.known = {};
            cell.durable = {};
        }
        if (write.sent < cell.known[0].sent) continue;
        if (write.sent < cell.reverted_at) continue;  // It was done, and then undone.
        if (write.sent > cell.torn_at) cell.torn_at = 0;
        cell.known[1] = cell.known[0];
        cell.known[0] = {.id = shown, .sent = write.sent, .since = now_};
    }
    answered_.push_back({.at = now_, .id = id});
}

void History::raise_durable(WriteId id) {
    Write& write = writes_[id];
    if (write.is_durable) return;
    write.is_durable = true;
    const WriteId shown = write.kind == WriteKind::data ? id : zeros;
    for (uint64_t index = write.first_cell; index < write.end_cell; ++index) {
        Cell& cell = cells_[index];
        if (write.sent < cell.durable.sent) continue;
        cell.durable = {.id = shown, .sent = write.sent, .since = now_};
    }
}

void History::flush_succeeded(Moment sent) {
    next_moment();
    while (!answered_.empty() && answered_.front().at < sent) {
        raise_durable(answered_.front().id);
        answered_.pop_front();
    }
}

void History::everything_is_durable() { flush_succeeded(next_moment()); }

void History::everything_was_synced() {
    for (Cell& cell : cells_) cell.durable = cell.known[0];
}

void History::write_is_durable(WriteId id) {
    if (writes_[id].kind != WriteKind::trim) raise_durable(id);
}

Moment History::settled_of(const Cell& cell, WriteId id) const {
    if (id != zeros) return writes_[id].settled;
    return cell.zero_writes_pending > 0 ? never : cell.zeros_settled;
}

bool History::may_show(const Cell& cell, WriteId id, const Known& known) const {
    return id == known.id || settled_of(cell, id) >= known.sent;
}

const char* History::judge_order(Cell& cell, WriteId id, Moment sent) {
    if (sent <= cell.observed_at) return nullptr;
    const WriteId before = cell.observed;
    if (id != before) {
        if (id != zeros && id == cell.observed_before) return "shows again what was overwritten";
        if (id != zeros && before != zeros && writes_[id].settled < writes_[before].sent) {
            return "shows an older write than the read before";
        }
        cell.observed_before = before;
        cell.observed = id;
    }
    cell.observed_at = now_;
    return nullptr;
}

const char* History::judge_cell(Cell& cell, WriteId id, Moment sent) {
    if (id != zeros && writes_[id].arrived_never == 0) return "shows a write that never was whole";
    for (const Known& known : cell.known) {
        if (known.since >= sent) continue;
        if (!may_show(cell, id, known)) return "does not show a write that was answered before";
        return judge_order(cell, id, sent);
    }
    return nullptr;  // The read began before all that is known here.
}

template <typename Visit>
std::string History::for_each_cell(Moment sent, uint64_t offset, std::span<const std::byte> bytes,
                                   Visit visit) {
    const uint64_t size = layout_.cell_size;
    uint64_t cell = offset <= layout_.shift ? 0 : (offset - layout_.shift + size - 1) / size;
    for (; cell < cell_count() && offset_of(cell) + size <= offset + bytes.size(); ++cell) {
        const WriteId id = decode(cell, bytes.subspan(offset_of(cell) - offset, size));
        if (cells_[cell].is_forgotten) continue;
        if (id == garbled) {
            if (may_be_torn(cell, sent)) continue;
            return complaint("shows bytes that nobody wrote", cell, id);
        }
        const char* const text = visit(cells_[cell], id);
        if (text != nullptr) return complaint(text, cell, id);
    }
    return {};
}

// Also those that lie there in part.
template <typename Visit>
void History::for_each_cell_at(uint64_t offset, uint64_t size, Visit visit) {
    const uint64_t begin =
        offset < layout_.shift ? 0 : (offset - layout_.shift) / layout_.cell_size;
    for (uint64_t index = begin; index < cell_count() && offset_of(index) < offset + size;
         ++index) {
        visit(cells_[index]);
    }
}

std::string History::judge_read(Moment sent, uint64_t offset, std::span<const std::byte> bytes) {
    next_moment();
    return for_each_cell(sent, offset, bytes,
                         [&](Cell& cell, WriteId id) { return judge_cell(cell, id, sent); });
}

void History::rebase(Cell& cell, WriteId id) {
    cell.known[1] = cell.known[0] = {.id = id, .sent = now_, .since = now_};
    cell.observed = cell.observed_before = zeros;
    cell.observed_at = now_;
    cell.torn_at = 0;
}

std::string History::judge_survivors(Crash crash, std::span<const std::byte> bytes) {
    next_moment();
    for (Write& write : writes_) settle(write, false);
    next_moment();
    const auto judge = [&](Cell& cell, WriteId id) -> const char* {
        if (id != zeros && writes_[id].arrived_never == 0) {
            return "shows, after a crash, a write that never was whole";
        }
        if (!may_show(cell, id, cell.durable)) return "lost a durable write";
        if (crash == Crash::power) return nullptr;
        if (!may_show(cell, id, cell.known[0])) return "lost an answered write";
        return judge_order(cell, id, now_);
    };
    std::string found = for_each_cell(0, 0, bytes, judge);
    // What is torn or cut off stays unknown until it is written again.
    std::vector<bool> is_known(cell_count(), false);
    for (Cell& cell : cells_) {
        if (cell.is_forgotten) cell.durable = {};  // Nothing was known of it.
        cell.is_forgotten = false;
    }
    for_each_cell(0, 0, bytes, [&](Cell& cell, WriteId id) -> const char* {
        rebase(cell, id);
        if (crash == Crash::power) cell.durable = cell.known[0];
        is_known[size_t(&cell - cells_.data())] = true;
        return nullptr;
    });
    for (size_t cell = 0; cell < is_known.size(); ++cell) {
        cells_[cell].is_forgotten = !is_known[cell];
        cells_[cell].forgotten_at = now_;
    }
    answered_.clear();
    return found;
}

std::string History::judge_reverted(uint64_t offset, std::span<const std::byte> bytes) {
    next_moment();
    // One half of a cell may be gone, or come back, without the other.
    for_each_cell_at(offset, bytes.size(), [&](Cell& cell) {
        cell.torn_at = now_;
        cell.reverted_at = now_;  // Also of those that are forgotten: an answer may be on its way.
    });
    return for_each_cell(0, offset, bytes, [&](Cell& cell, WriteId id) -> const char* {
        const bool is_allowed = may_show(cell, id, cell.durable);
        // A write to the same block that had read it before may bring back what is gone now.
        rebase(cell, id);
        cell.torn_at = now_;
        cell.known[0] = {.id = cell.durable.id, .sent = cell.durable.sent, .since = now_};
        return is_allowed ? nullptr : "lost a durable write in a failed sync";
    });
}

void History::forget(uint64_t offset, uint64_t size) {
    for_each_cell_at(offset, size, [&](Cell& cell) {
        cell.is_forgotten = true;
        cell.forgotten_at = now_;
    });
}

std::string History::complaint(const char* text, uint64_t cell, WriteId id) const {
    const Cell& state = cells_[cell];
    std::string said = "cell " + std::to_string(cell) + " at offset " +
                       std::to_string(offset_of(cell)) + " " + text + ": it shows ";
    said += id == garbled ? "garbled bytes" : id == zeros ? "zeros" : "write " + std::to_string(id);
    said += "; known is write " + std::to_string(state.known[0].id) + " sent at moment " +
            std::to_string(state.known[0].sent) + ", durable is write " +
            std::to_string(state.durable.id) + "; the moment is " + std::to_string(now_);
    return said;
}

}  // namespace blockd::simulation
