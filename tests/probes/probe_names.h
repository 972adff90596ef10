// The names of marks and mutants, as their enumerators spell them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "probes/probe.h"

namespace blockd::probe {

// g++ and clang both end the name of this function with "[... = Enum::enumerator...]".
template <auto value>
constexpr std::string_view enumerator_name() {
    constexpr std::string_view function = __PRETTY_FUNCTION__;
    constexpr std::string_view tail = function.substr(0, function.find_last_of(";]"));
    constexpr std::string_view head = function.find(';') == std::string_view::npos
                                          ? tail
                                          : function.substr(0, function.find(';'));
    return head.substr(head.rfind(':') + 1);
}

template <typename Enum>
constexpr auto enumerator_names() {
    return []<size_t... index>(std::index_sequence<index...>) {
        return std::array{enumerator_name<Enum(index)>()...};
    }
    (std::make_index_sequence<size_t(Enum::count)>());
}

inline constexpr auto mark_names = enumerator_names<Mark>();
inline constexpr auto mutant_names = enumerator_names<Mutant>();
static_assert(mark_names.back() == "last_sync_failed");
static_assert(mutant_names.front() == "none");

constexpr std::optional<Mutant> mutant_named(std::string_view name) {
    for (size_t index = 0; index < mutant_names.size(); ++index) {
        if (mutant_names[index] == name) return Mutant(index);
    }
    return std::nullopt;
}

}  // namespace blockd::probe
