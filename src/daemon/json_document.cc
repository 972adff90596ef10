#include "daemon/json_document.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/escape.h"

namespace blockd::daemon {
namespace {

constexpr size_t json_text_size_max = 60;

// Builds the tree from the parser's events. The parser keeps its own stack on the heap, and
// json_depth_max bounds the recursion of everything that walks the tree later.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
  public:
    TreeBuilder(std::string_view text, JsonDocument& document) : text_(text), document_(document) {}

    bool null() override { return add({}); }
    bool boolean(bool value) override { return add(JsonValue::of_boolean(value)); }
    bool number_unsigned(number_unsigned_t value) override {
        return add(JsonValue::of_count(value));
    }
    bool string(string_t& value) override { return add(JsonValue::of_string(value)); }
    bool binary(binary_t&) override { return false; }  // Only binary formats have it.

    bool number_integer(number_integer_t value) override {
        JsonValue number;
        number.kind = JsonValue::Kind::number;
        number.text = std::to_string(value);
        return add(std::move(number));
    }

    // 5.0 is as whole as 5, in JSON Schema as well.
    bool number_float(number_float_t value, const string_t& written) override {
        constexpr double whole_doubles_end = 9'007'199'254'740'992;  // 2^53.
        JsonValue number;
        number.kind = JsonValue::Kind::number;
        number.text = written;
        number.is_count = value >= 0 && value < whole_doubles_end && std::trunc(value) >= value;
        if (number.is_count) number.count = static_cast<uint64_t>(value);
        return add(std::move(number));
    }

    bool start_object(std::size_t) override { return open(JsonValue::Kind::object); }
    bool start_array(std::size_t) override { return open(JsonValue::Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& value) override {
        open_.back().key = value;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& error) override {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..."
        const std::string_view what = error.what();
        const size_t reason = what.find("syntax error");
        complain_here(position, reason == std::string_view::npos ? what : what.substr(reason));
        return false;
    }

  private:
    struct Open {
        JsonValue value;
        std::string path;
        std::string key;  // Of the member whose value comes next.
    };

    std::string child_path() const {
        if (open_.empty()) return "";
        const Open& parent = open_.back();
        if (parent.value.kind == JsonValue::Kind::array) {
            return json_path(parent.path, parent.value.elements.size());
        }
        return json_path(parent.path, parent.key);
    }

    bool open(JsonValue::Kind kind) {
        std::string path = child_path();
        if (open_.size() == json_depth_max) {
            document_.complaints.push_back(
                {path, "",
                 "nested too deeply: at most " + std::to_string(json_depth_max) + " levels"});
            return false;
        }
        JsonValue value;
        value.kind = kind;
        open_.push_back({std::move(value), std::move(path), {}});
        return true;
    }

    bool close() {
        ASSERT(!open_.empty());
        JsonValue value = std::move(open_.back().value);
        open_.pop_back();
        return add(std::move(value));
    }

    bool add(JsonValue value) {
        if (open_.empty()) {
            document_.root = std::move(value);
            return true;
        }
        Open& parent = open_.back();
        if (parent.value.kind == JsonValue::Kind::array) {
            parent.value.elements.push_back(std::move(value));
            return true;
        }
        std::vector<JsonMember>& members = parent.value.members;
        const bool is_known =
            std::any_of(members.begin(), members.end(),
                        [&parent](const JsonMember& member) { return member.key == parent.key; });
        if (is_known) {
            document_.complaints.push_back(
                {child_path(), json_text(value), "the key occurs twice; once is allowed"});
        } else {
            members.push_back({parent.key, std::move(value)});
        }
        return true;
    }

    // `position` counts the characters read, the offending one included.
    void complain_here(std::size_t position, std::string_view reason) {
        const std::string_view before =
            text_.substr(0, std::min(text_.size(), position == 0 ? 0 : position - 1));
        const size_t line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
        const size_t line_start = before.rfind('\n');
        const size_t column =
            line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start;
        document_.complaints.push_back(
            {"line " + std::to_string(line) + ", column " + std::to_string(column), "",
             std::string(reason)});
    }

    std::string_view text_;
    JsonDocument& document_;
    std::vector<Open> open_;
};

void append_json(std::string& output, const JsonValue& value) {
    if (output.size() > json_text_size_max) return;
    switch (value.kind) {
        case JsonValue::Kind::null: output += "null"; return;
        case JsonValue::Kind::boolean: output += value.boolean ? "true" : "false"; return;
        case JsonValue::Kind::number: output += value.text; return;
        case JsonValue::Kind::string: output += escape_json(value.text); return;
        case JsonValue::Kind::array: {
            output += '[';
            const char* separator = "";
            for (const JsonValue& element : value.elements) {
                output += separator;
                append_json(output, element);
                separator = ",";
            }
            output += ']';
            return;
        }
        case JsonValue::Kind::object: {
            output += '{';
            const char* separator = "";
            for (const JsonMember& member : value.members) {
                output += separator + escape_json(member.key) + ":";
                append_json(output, member.value);
                separator = ",";
            }
            output += '}';
            return;
        }
    }
}

}  // namespace

JsonValue JsonValue::of_boolean(bool value) {
    JsonValue result;
    result.kind = Kind::boolean;
    result.boolean = value;
    return result;
}

JsonValue JsonValue::of_count(uint64_t value) {
    JsonValue result;
    result.kind = Kind::number;
    result.is_count = true;
    result.count = value;
    result.text = std::to_string(value);
    return result;
}

JsonValue JsonValue::of_string(std::string_view value) {
    JsonValue result;
    result.kind = Kind::string;
    result.text = value;
    return result;
}

JsonValue JsonValue::of_array(std::vector<JsonValue> elements) {
    JsonValue result;
    result.kind = Kind::array;
    result.elements = std::move(elements);
    return result;
}

JsonValue JsonValue::of_object(std::vector<JsonMember> members) {
    JsonValue result;
    result.kind = Kind::object;
    result.members = std::move(members);
    return result;
}

std::string json_text(const JsonValue& value) {
    std::string text;
    append_json(text, value);
    if (text.size() <= json_text_size_max) return text;

    // Not in the middle of a UTF-8 sequence.
    size_t size = json_text_size_max;
    while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) --size;
    return text.substr(0, size) + "...";
}

std::string json_path(std::string_view parent, std::string_view key) {
    std::string path = std::string(parent) + '/';
    for (const char character : key) {
        if (character == '~') {
            path += "~0";
        } else if (character == '/') {
            path += "~1";
        } else {
            path += character;
        }
    }
    return path;
}

std::string json_path(std::string_view parent, size_t index) {
    return json_path(parent, std::to_string(index));
}

JsonDocument parse_json(std::string_view text) {
    JsonDocument document;
    TreeBuilder builder(text, document);
    // A refusal is reported through the builder; nothing is thrown in this mode.
    document.is_complete = nlohmann::json::sax_parse(text, &builder);
    ASSERT(document.is_complete || !document.complaints.empty());
    return document;
}

}  // namespace blockd::daemon
