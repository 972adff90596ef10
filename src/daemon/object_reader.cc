#include "daemon/object_reader.h"

#include <blockd/assert.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "daemon/units.h"

namespace blockd::daemon {
namespace {

// How many letters must be put in, taken out or replaced (Levenshtein).
size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<size_t> row(right.size() + 1);
    std::iota(row.begin(), row.end(), size_t(0));
    for (size_t left_index = 0; left_index < left.size(); ++left_index) {
        size_t diagonal = row[0];
        row[0] = left_index + 1;
        for (size_t right_index = 0; right_index < right.size(); ++right_index) {
            const size_t replaced = diagonal + (left[left_index] == right[right_index] ? 0 : 1);
            diagonal = row[right_index + 1];
            row[right_index + 1] = std::min({replaced, diagonal + 1, row[right_index] + 1});
        }
    }
    return row.back();
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char character) {
        const uint8_t byte = static_cast<uint8_t>(character);
        return byte < 0x20 || byte == 0x7f;
    });
}

std::string list_of(const std::vector<std::string_view>& names) {
    std::string text;
    for (const std::string_view name : names) {
        if (!text.empty()) text += ", ";
        text += name;
    }
    return text;
}

}  // namespace

std::optional<std::string_view> nearest_name(std::string_view word,
                                             const std::vector<std::string_view>& names) {
    constexpr size_t word_size_max = 64;  // The distance costs the product of both sizes.
    if (word.size() > word_size_max) return std::nullopt;

    std::optional<std::string_view> nearest;
    // Two letters that changed places count twice: "levle".
    size_t distance_min = 1 + std::clamp<size_t>(word.size() * 2 / 5, 1, 3);
    for (const std::string_view name : names) {
        const size_t distance = edit_distance(word, name);
        if (distance >= distance_min) continue;
        distance_min = distance;
        nearest = name;
    }
    return nearest;
}

ObjectReader::ObjectReader(const JsonValue& value, std::string path, Complaints& complaints)
    : path_(std::move(path)), complaints_(complaints) {
    if (value.kind == JsonValue::Kind::object) {
        object_ = &value;
    } else {
        complaints_.push_back({path_.empty() ? "/" : path_, json_text(value), "an object: {...}"});
    }
}

const JsonValue* ObjectReader::lookup(std::string_view key) const {
    if (object_ == nullptr) return nullptr;
    for (const JsonMember& member : object_->members) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

const JsonValue* ObjectReader::find(std::string_view key) {
    if (std::ranges::find(known_keys_, key) == known_keys_.end()) known_keys_.push_back(key);
    return lookup(key);
}

const JsonValue* ObjectReader::required(std::string_view key, std::string_view allowed) {
    const JsonValue* const value = find(key);
    if (value == nullptr && object_ != nullptr) complain(key, allowed);
    return value;
}

bool ObjectReader::has(std::string_view key) const { return lookup(key) != nullptr; }

void ObjectReader::complain(std::string_view key, std::string_view allowed) {
    const JsonValue* const value = lookup(key);
    complaints_.push_back(
        {path_of(key), value == nullptr ? "missing" : json_text(*value), std::string(allowed)});
}

void ObjectReader::read_boolean(std::string_view key, bool& target) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return;
    if (value->kind != JsonValue::Kind::boolean) return complain(key, "true or false");
    target = value->boolean;
}

void ObjectReader::read_count(std::string_view key, uint32_t& target, uint32_t minimum,
                              uint32_t maximum) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return;
    if (!value->is_count || value->count < minimum || value->count > maximum) {
        return complain(key, "a whole number from " + std::to_string(minimum) + " to " +
                                 std::to_string(maximum));
    }
    target = static_cast<uint32_t>(value->count);
}

void ObjectReader::read_size(std::string_view key, uint64_t& target, uint64_t minimum,
                             uint64_t maximum) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return;
    const std::optional<uint64_t> size =
        value->kind == JsonValue::Kind::string ? parse_size(value->text) : std::nullopt;
    if (!size || *size < minimum || *size > maximum) {
        return complain(key, std::string(size_form) + " from " + size_text(minimum) + " to " +
                                 size_text(maximum));
    }
    target = *size;
}

void ObjectReader::read_duration(std::string_view key, uint64_t& target_ns, uint64_t minimum_ns,
                                 uint64_t maximum_ns) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return;
    const std::optional<uint64_t> duration_ns =
        value->kind == JsonValue::Kind::string ? parse_duration_ns(value->text) : std::nullopt;
    if (!duration_ns || *duration_ns < minimum_ns || *duration_ns > maximum_ns) {
        return complain(key, std::string(duration_form) + " from " + duration_text(minimum_ns) +
                                 " to " + duration_text(maximum_ns));
    }
    target_ns = *duration_ns;
}

std::optional<size_t> ObjectReader::read_choice(std::string_view key,
                                                std::initializer_list<std::string_view> names) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return std::nullopt;

    const auto* const found = std::find(names.begin(), names.end(), value->text);
    if (value->kind == JsonValue::Kind::string && found != names.end()) {
        return static_cast<size_t>(found - names.begin());
    }
    std::string allowed;
    for (const std::string_view name : names) {
        if (!allowed.empty()) allowed += " or ";
        allowed += '"' + std::string(name) + '"';
    }
    complain(key, allowed);
    return std::nullopt;
}

const std::string* ObjectReader::read_text(std::string_view key, size_t size_min, size_t size_max,
                                           std::string_view allowed) {
    const JsonValue* const value = find(key);
    if (value == nullptr) return nullptr;
    if (value->kind != JsonValue::Kind::string || value->text.size() < size_min ||
        value->text.size() > size_max || has_control_character(value->text)) {
        complain(key, allowed);
        return nullptr;
    }
    return &value->text;
}

std::span<const JsonValue> ObjectReader::read_list(std::string_view key, size_t count_max,
                                                   std::string_view allowed) {
    const JsonValue* const value = required(key, allowed);
    if (value == nullptr) return {};
    if (value->kind != JsonValue::Kind::array || value->elements.empty() ||
        value->elements.size() > count_max) {
        complain(key, allowed);
        return {};
    }
    return value->elements;
}

void ObjectReader::finish() {
    if (object_ == nullptr) return;
    for (const JsonMember& member : object_->members) {
        if (std::ranges::find(known_keys_, member.key) != known_keys_.end()) continue;

        const std::optional<std::string_view> nearest = nearest_name(member.key, known_keys_);
        std::string allowed = "no such key";
        if (nearest) allowed += "; did you mean \"" + std::string(*nearest) + "\"?";
        complaints_.push_back({path_of(member.key), json_text(member.value),
                               allowed + " (allowed: " + list_of(known_keys_) + ")"});
    }
}

}  // namespace blockd::daemon
