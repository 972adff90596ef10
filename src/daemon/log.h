// The daemon's log: one line per event, as text for people or as JSON for machines, to stderr or
// to a file that is appended to. The only place that knows the logging library.
//
// Safe to write from any thread. A line is written before write() returns; whoever reads stderr
// too slowly holds the daemon up, as with any pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "server/log.h"

namespace blockd::daemon {

enum class LogFormat : uint8_t { text, json };

struct LogOptions {
    server::LogLevel level = server::LogLevel::info;  // Less urgent lines are left out.
    std::string file;                                 // Empty: stderr.
    LogFormat format = LogFormat::text;
};

// What varies of a line, after its time and level:
//
//     text  connection opened peer=127.0.0.1:1234 export="a b"
//     json  "message":"connection opened","peer":"127.0.0.1:1234","export":"a b"
std::string log_line_text(LogFormat format, std::string_view message,
                          std::span<const server::LogField> fields);

// A log, or why there is none.
std::variant<std::unique_ptr<server::Log>, std::string> make_log(const LogOptions& options);

}  // namespace blockd::daemon
