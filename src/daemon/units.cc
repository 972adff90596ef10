#include "daemon/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <system_error>

namespace blockd::daemon {
namespace {

struct Unit {
    std::string_view name;
    uint64_t factor;
};

// Smallest first.
constexpr std::array size_units = {
    Unit{"B", 1},
    Unit{"KiB", uint64_t(1) << 10},
    Unit{"MiB", uint64_t(1) << 20},
    Unit{"GiB", uint64_t(1) << 30},
    Unit{"TiB", uint64_t(1) << 40},
    Unit{"PiB", uint64_t(1) << 50},
};

constexpr std::array duration_units = {
    Unit{"us", 1'000},           Unit{"ms", 1'000'000},        Unit{"s", 1'000'000'000},
    Unit{"min", 60'000'000'000}, Unit{"h", 3'600'000'000'000},
};

std::optional<uint64_t> parse(std::string_view text, std::span<const Unit> units) {
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;

    uint64_t number = 0;
    const char* const end = text.data() + digits;
    if (std::from_chars(text.data(), end, number).ec != std::errc()) return std::nullopt;

    for (const Unit& unit : units) {
        if (text.substr(digits) != unit.name) continue;
        if (number > std::numeric_limits<uint64_t>::max() / unit.factor) return std::nullopt;
        return number * unit.factor;
    }
    return std::nullopt;
}

std::string text_of(uint64_t value, std::span<const Unit> units) {
    const Unit* chosen = &units.front();
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0) chosen = &unit;
    }
    return std::to_string(value / chosen->factor) + std::string(chosen->name);
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view text) { return parse(text, size_units); }

std::optional<uint64_t> parse_duration_ns(std::string_view text) {
    return parse(text, duration_units);
}

std::string size_text(uint64_t bytes) { return text_of(bytes, size_units); }

std::string duration_text(uint64_t duration_ns) { return text_of(duration_ns, duration_units); }

}  // namespace blockd::daemon
