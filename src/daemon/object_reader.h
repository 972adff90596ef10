// Reads one JSON object key by key, and complains of every value that has another form than asked
// for, of keys that are missing and of keys that nobody asked for.
//
//     ObjectReader reader(value, "/limits", complaints);
//     reader.read_count("connections", limits.connections, 1, connections_max);
//     reader.finish();
//
// A target keeps its value (the default) when its key is absent or wrong.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/complaint.h"
#include "daemon/json_document.h"

namespace blockd::daemon {

class ObjectReader {
  public:
    // Complains when the value is no object; everything read from it is absent then.
    ObjectReader(const JsonValue& value, std::string path, Complaints& complaints);
    ObjectReader(const ObjectReader&) = delete;
    ObjectReader& operator=(const ObjectReader&) = delete;

    // The value of a key, or nullptr. `required` complains of its absence, saying what is allowed.
    const JsonValue* find(std::string_view key);
    const JsonValue* required(std::string_view key, std::string_view allowed);

    bool has(std::string_view key) const;
    std::string path_of(std::string_view key) const { return json_path(path_, key); }

    void read_boolean(std::string_view key, bool& target);
    void read_count(std::string_view key, uint32_t& target, uint32_t minimum, uint32_t maximum);
    void read_size(std::string_view key, uint64_t& target, uint64_t minimum, uint64_t maximum);
    void read_duration(std::string_view key, uint64_t& target_ns, uint64_t minimum_ns,
                       uint64_t maximum_ns);

    // The index of the key's value among `names`.
    std::optional<size_t> read_choice(std::string_view key,
                                      std::initializer_list<std::string_view> names);

    // Text of 1 (or 0) to `size_max` bytes without control characters. Absent: nullptr.
    const std::string* read_text(std::string_view key, size_t size_min, size_t size_max,
                                 std::string_view allowed);

    // The elements of a list of 1 to `count_max`; complains of another form. The list is required.
    std::span<const JsonValue> read_list(std::string_view key, size_t count_max,
                                         std::string_view allowed);

    void complain(std::string_view key, std::string_view allowed);

    // Complains of every key that was never asked for, with the known key that looks most like it.
    void finish();

  private:
    const JsonValue* lookup(std::string_view key) const;

    const JsonValue* object_ = nullptr;  // nullptr: the value is no object.
    std::string path_;
    Complaints& complaints_;
    std::vector<std::string_view> known_keys_;
};

// The name that differs least from the word, if any is near enough to be a slip of the hand.
std::optional<std::string_view> nearest_name(std::string_view word,
                                             const std::vector<std::string_view>& names);

}  // namespace blockd::daemon
