// What a region of a disk may hold, by the record of its only writer.
//
// The promise that it judges by is blockd's, and stronger than NBD's: an acknowledged change is
// there, also after kill -9; changes that overlap are done in the order in which they were sent;
// one that was not acknowledged may be there, or not, for each 512-byte sector by itself. A TRIM is
// a hint: the sector holds zeros afterwards, or what it held. A write that was answered with an
// error may be there or not, too.
//
// Offsets count from the start of the region. Used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace blockd::crash {

inline constexpr uint32_t sector_size = 512;

enum class ChangeKind : uint8_t { write, write_zeroes, trim };

struct Change {
    ChangeKind kind = ChangeKind::write;
    uint64_t offset = 0;
    uint64_t size = 0;
    std::string bytes = {};  // Of a write.
};

// A sector that holds what it must not.
struct Violation {
    uint64_t sector = 0;
    std::string text;
};

class RegionRecord {
  public:
    // All zeros; `size` is a multiple of the sector size.
    explicit RegionRecord(uint64_t size);

    uint64_t size() const { return bytes_.size(); }

    // The change is about to be sent: from now on it may be done at any moment. Its number.
    uint64_t begin(Change change);
    void acknowledge(uint64_t number);  // It was answered without an error: it is done.
    void fail(uint64_t number);         // It was answered with one: each sector may have it or not.

    // The connection ended: what is unanswered now was done, or is done soon, or never. Later
    // changes, from another connection, come after it if it is done at all.
    void doubt_unanswered();

    // A moment, for judge_read().
    uint64_t now() const { return now_; }

    // Judges what a READ brought that was sent at `since`. A sector that some change was under way
    // to in the meantime is left out. Returns how many sectors were judged.
    uint64_t judge_read(uint64_t offset, std::string_view bytes, uint64_t since,
                        std::optional<Violation>* violation);

    // Judges what was found after a restart: unanswered changes are there, or not. What is seen
    // is what the sectors hold from now on; call forget_unanswered() when all of it was seen.
    std::optional<Violation> judge_found(uint64_t offset, std::string_view bytes);
    void forget_unanswered();

    uint64_t unanswered_count() const { return pending_.size(); }

  private:
    using Sector = std::array<char, sector_size>;

    struct Pending {
        uint64_t number = 0;
        Change change;
        std::vector<bool> is_settled;  // Per sector that it touches: part of bytes_ already.
        bool is_doubtful = false;      // Also when a later one was done, it may not be.
    };

    static uint64_t first_sector(const Change& change) { return change.offset / sector_size; }
    static uint64_t end_sector(const Change& change) {
        return (change.offset + change.size + sector_size - 1) / sector_size;
    }
    static void apply(const Change& change, uint64_t sector, Sector& content);
    static void add(std::vector<Sector>& contents, const Sector& content);

    Sector settled(uint64_t sector) const;
    std::vector<Sector> settled_contents(uint64_t sector) const;
    void settle(uint64_t sector, const Change& change, bool is_certain);
    void settle_as(uint64_t sector, std::vector<Sector> contents);
    void settle_up_to(std::deque<Pending>::iterator last, bool is_certain);
    std::vector<Sector> possible_contents(uint64_t sector) const;
    static std::optional<Violation> judge_sector(uint64_t sector, std::string_view bytes,
                                                 const std::vector<Sector>& allowed);

    std::string bytes_;  // What each sector holds, or may hold.
    // Of sectors of which several contents are possible: the others.
    std::unordered_map<uint64_t, std::vector<Sector>> alternatives_;
    std::vector<uint32_t> pending_counts_;  // Of each sector: changes that are under way.
    std::vector<uint64_t> settled_at_;      // Of each sector: when the last one came to its end.
    std::deque<Pending> pending_;           // In the order in which they were sent.
    uint64_t now_ = 0;
    uint64_t number_last_ = 0;
};

}  // namespace blockd::crash
