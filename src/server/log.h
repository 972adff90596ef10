// What the server tells its operator: one line per connection and per refusal, none per request.
// The daemon decides where the lines go and in which form.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <variant>

namespace blockd::server {

enum class LogLevel : uint8_t { debug, info, warning, error };

struct LogField {
    std::string_view key;  // snake_case, the unit last: "size_bytes".
    std::variant<std::string_view, uint64_t> value;
};

class Log {
  public:
    virtual ~Log() = default;

    // `message` is a fixed phrase ("connection closed"); what varies goes into the fields. Text of
    // a client may hold any byte: the implementation escapes it.
    virtual void write(LogLevel level, std::string_view message,
                       std::span<const LogField> fields) = 0;

    void write(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields = {}) {
        write(level, message, std::span<const LogField>(fields.begin(), fields.size()));
    }
};

}  // namespace blockd::server
