// What clients wrote, and what a disk may show because of it: the judge of a simulated world.
//
// A disk is divided into cells. Every write covers whole cells and stamps each of them with its own
// number, so that the bytes that are read tell which write they come from. A moment counts what
// clients sent and received, one by one. Between the moment in which a write was sent and the one
// in which it was answered it takes effect; one that failed, or whose connection broke, may take
// effect until it is settled: until its server can do nothing more for it.
//
// From this follows, in constant time per cell:
// - A read may show a write unless another one surely came between: one that was sent after the
//   former was settled, and was answered before the read was sent.
// - After a power cut a cell may show a write unless one that surely followed it was durable:
//   answered with FUA, or answered before a FLUSH was sent that was answered.
// - After the end of the process alone nothing that was answered is missing.
// - Reads that follow each other do not go back.
// A TRIM may zero its cells or not; a WRITE_ZEROES is a write of zeros, which tell no number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace blockd::simulation {

using WriteId = uint32_t;
using Moment = uint64_t;

enum class WriteKind : uint8_t { data, zeroes, trim };
enum class Crash : uint8_t { process, power };

class History {
  public:
    // Cells begin at `shift`, and fill what lies behind it; the rest of the disk is not judged.
    struct Layout {
        uint64_t disk_size;
        uint64_t cell_size;  // A multiple of 32.
        uint64_t shift;
    };

    explicit History(const Layout& layout);

    Moment now() const { return now_; }
    Moment next_moment() { return ++now_; }

    uint64_t cell_count() const { return cells_.size(); }
    uint64_t offset_of(uint64_t cell) const { return layout_.shift + cell * layout_.cell_size; }

    // Sent now. `fill` puts the stamps of a data write into its payload.
    WriteId begin_write(WriteKind kind, uint64_t offset, uint64_t size);
    void fill(WriteId id, std::span<std::byte> payload) const;

    void write_succeeded(WriteId id);
    void write_settled(WriteId id);        // It failed, or its connection is gone.
    void write_never_arrived(WriteId id);  // Not whole: nothing of it may ever show.

    void flush_succeeded(Moment sent);
    void write_is_durable(WriteId id);  // It had FUA, and succeeded.
    void everything_is_durable();       // A server ended cleanly.
    void everything_was_synced();       // After judge_survivors(): the disk stays as it was found.

    // A complaint, or nothing. `sent`: the moment of the read.
    std::string judge_read(Moment sent, uint64_t offset, std::span<const std::byte> bytes);

    // The whole disk as a crash left it. From now on it counts as what was there always: nothing
    // sent before can come any more. `bytes` may be shorter than the disk.
    std::string judge_survivors(Crash crash, std::span<const std::byte> bytes);

    // Some of what was written is gone without a crash: `bytes` is what is there instead.
    std::string judge_reverted(uint64_t offset, std::span<const std::byte> bytes);

    // What stands there is of no interest until it is written again.
    void forget(uint64_t offset, uint64_t size);

  private:
    static constexpr Moment never = std::numeric_limits<Moment>::max();
    static constexpr WriteId zeros = 0;
    static constexpr WriteId garbled = std::numeric_limits<WriteId>::max();

    struct Write {
        WriteKind kind;
        bool is_durable;
        uint32_t first_cell;
        uint32_t end_cell;
        Moment sent;
        Moment settled;        // Nothing of it comes later.
        Moment arrived_never;  // Set to 0 by write_never_arrived().
    };

    // What is known to be in a cell: this write, or one that was not settled when it was sent.
    struct Known {
        WriteId id = zeros;
        Moment sent = 0;
        Moment since = 0;
    };

    struct Cell {
        std::array<Known, 2> known;  // The newest first; reads that are on their way may need both.
        Known durable;
        WriteId observed = zeros;  // By the last read that followed the one before it.
        WriteId observed_before = zeros;
        Moment observed_at = 0;
        uint32_t zero_writes_pending = 0;
        Moment zeros_settled = 0;  // The last write of zeros that was settled.
        Moment reverted_at = 0;
        uint32_t writes_pending = 0;
        Moment settled_at = 0;  // The last write, whatever became of it.
        Moment torn_at = 0;     // Since then it may be of two writes; 0: it is not.
        bool is_forgotten = false;
        Moment forgotten_at = 0;
    };

    struct Judgement {
        const char* complaint = nullptr;
        const Known* against = nullptr;
    };

    uint64_t word_of(WriteId id, uint64_t cell, uint64_t index) const;
    WriteId decode(uint64_t cell, std::span<const std::byte> bytes) const;
    bool may_be_torn(uint64_t index, Moment sent) const;
    Moment settled_of(const Cell& cell, WriteId id) const;
    bool may_show(const Cell& cell, WriteId id, const Known& known) const;
    const char* judge_cell(Cell& cell, WriteId id, Moment sent);
    const char* judge_order(Cell& cell, WriteId id, Moment sent);
    void settle(Write& write, bool is_whole);
    void rebase(Cell& cell, WriteId id);
    void raise_durable(WriteId id);
    std::string complaint(const char* text, uint64_t cell, WriteId id) const;
    template <typename Visit>
    void for_each_cell_at(uint64_t offset, uint64_t size, Visit visit);
    template <typename Visit>
    std::string for_each_cell(Moment sent, uint64_t offset, std::span<const std::byte> bytes,
                              Visit visit);

    const Layout layout_;
    Moment now_ = 0;
    std::vector<Write> writes_;
    std::vector<Cell> cells_;
    struct Answered {
        Moment at;
        WriteId id;
    };
    std::deque<Answered> answered_;  // Not durable yet, in the order of their answers.
};

}  // namespace blockd::simulation
