// A JSON document as a tree of values, with everything that is wrong with its syntax. The only
// place that knows the JSON library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/complaint.h"

namespace blockd::daemon {

inline constexpr uint32_t json_depth_max = 16;

struct JsonMember;

struct JsonValue {
    enum class Kind : uint8_t { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    bool boolean = false;
    bool is_count = false;  // A number that is whole, at least 0 and below 2^64.
    uint64_t count = 0;
    std::string text;  // A string's, or a number as it was written.
    std::vector<JsonValue> elements;
    std::vector<JsonMember> members;  // In the document's order; keys are unique.

    static JsonValue of_boolean(bool value);
    static JsonValue of_count(uint64_t value);
    static JsonValue of_string(std::string_view value);
    static JsonValue of_array(std::vector<JsonValue> elements);
    static JsonValue of_object(std::vector<JsonMember> members);
};

struct JsonMember {
    std::string key;
    JsonValue value;
};

// The value as JSON on one line, cut after some 60 characters: for messages.
std::string json_text(const JsonValue& value);

// A JSON pointer's next part: `~` and `/` in a key are escaped as RFC 6901 says.
std::string json_path(std::string_view parent, std::string_view key);
std::string json_path(std::string_view parent, size_t index);

struct JsonDocument {
    JsonValue root;
    bool is_complete = false;  // false: a syntax error; there is nothing to look at.
    Complaints complaints;     // A syntax error with its line and column; every duplicate key.
};

JsonDocument parse_json(std::string_view text);

}  // namespace blockd::daemon
