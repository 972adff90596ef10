// Tells whether a block was changed since a moment: how a read learns that what it brings from the
// disk may be older than what the disk holds by now.
//
// Blocks share places, so a block may seem changed that was not. A read then does not fill the
// cache, and nothing else is lost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace blockd::storage {

inline constexpr size_t change_clock_places = 4096;

class ChangeClock {
  public:
    // A moment, for has_changed().
    uint64_t now() const { return now_; }

    void change(uint64_t first_block, uint64_t end_block);

    bool has_changed(uint64_t block, uint64_t since) const {
        return all_changed_ > since || changed_[place_of(block)] > since;
    }

  private:
    static size_t place_of(uint64_t block) { return block % change_clock_places; }

    uint64_t now_ = 0;
    uint64_t all_changed_ = 0;
    std::array<uint64_t, change_clock_places> changed_{};
};

}  // namespace blockd::storage
