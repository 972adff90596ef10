#include "blockctl/size_text.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

namespace blockd::blockctl {
namespace {

struct Unit {
    std::string_view name;
    uint32_t shift;
};

constexpr std::array<Unit, 4> units = {{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}};
constexpr uint64_t size_max = uint64_t(std::numeric_limits<int64_t>::max());

std::optional<uint32_t> shift_of(std::string_view name) {
    if (name.empty()) return 0;
    for (const Unit& unit : units) {
        if (name == unit.name) return unit.shift;
    }
    return std::nullopt;
}

const Unit* largest_unit_within(uint64_t size) {
    const Unit* largest = nullptr;
    for (const Unit& unit : units) {
        if (size >> unit.shift > 0) largest = &unit;
    }
    return largest;
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view text) {
    uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, number);
    if (status != std::errc()) return std::nullopt;

    const std::optional<uint32_t> shift = shift_of(std::string_view(rest, size_t(end - rest)));
    if (!shift || number > size_max >> *shift) return std::nullopt;
    return number << *shift;
}

std::string format_size(uint64_t size) {
    if (size == 1) return "1 byte";

    const Unit* const unit = largest_unit_within(size);
    if (unit == nullptr) return std::to_string(size) + " bytes";

    const std::string suffix = std::string(" ").append(unit->name);
    const uint64_t whole = size >> unit->shift;
    if (whole << unit->shift == size) return std::to_string(whole) + suffix;

    std::array<char, 32> digits{};
    const double number = double(size) / double(uint64_t(1) << unit->shift);
    const int decimals = number < 10 ? 2 : number < 100 ? 1 : 0;
    std::snprintf(digits.data(), digits.size(), "%.*f", decimals, number);
    return digits.data() + suffix;
}

}  // namespace blockd::blockctl
