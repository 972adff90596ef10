#include "daemon/log.h"

#include <blockd/assert.h>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <utility>

#include "daemon/escape.h"
#include "nbd/printable.h"

namespace blockd::daemon {
namespace {

// UTC with milliseconds: lines of several machines sort.
constexpr char text_pattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr char json_pattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

spdlog::level::level_enum level_of(server::LogLevel level) {
    switch (level) {
        case server::LogLevel::debug: return spdlog::level::debug;
        case server::LogLevel::info: return spdlog::level::info;
        case server::LogLevel::warning: return spdlog::level::warn;
        case server::LogLevel::error: return spdlog::level::err;
    }
    ASSERT(false);
    return spdlog::level::err;
}

class SpdlogLog final : public server::Log {
  public:
    SpdlogLog(spdlog::sink_ptr sink, const LogOptions& options)
        : logger_("blockd", std::move(sink)), format_(options.format) {
        logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
            format_ == LogFormat::json ? json_pattern : text_pattern,
            spdlog::pattern_time_type::utc));
        logger_.set_level(level_of(options.level));
        logger_.flush_on(spdlog::level::trace);
    }

    using server::Log::write;

    void write(server::LogLevel level, std::string_view message,
               std::span<const server::LogField> fields) override {
        const spdlog::level::level_enum urgency = level_of(level);
        if (!logger_.should_log(urgency)) return;
        const std::string line = log_line_text(format_, message, fields);
        logger_.log(urgency, spdlog::string_view_t(line.data(), line.size()));
    }

  private:
    spdlog::logger logger_;
    LogFormat format_;
};

std::string value_text(LogFormat format, const server::LogField& field) {
    if (const uint64_t* const number = std::get_if<uint64_t>(&field.value)) {
        return std::to_string(*number);
    }
    const std::string_view text = std::get<std::string_view>(field.value);
    return format == LogFormat::json ? escape_json(text) : escape_field(text);
}

}  // namespace

std::string log_line_text(LogFormat format, std::string_view message,
                          std::span<const server::LogField> fields) {
    const bool is_json = format == LogFormat::json;
    std::string line = is_json ? "\"message\":" + escape_json(message) : nbd::printable(message);
    for (const server::LogField& field : fields) {
        if (is_json) {
            line += ',' + escape_json(field.key) + ':';
        } else {
            line += ' ' + nbd::printable(field.key) + '=';
        }
        line += value_text(format, field);
    }
    return line;
}

std::variant<std::unique_ptr<server::Log>, std::string> make_log(const LogOptions& options) {
    // The library throws when the file cannot be opened; the exception ends here.
    try {
        spdlog::sink_ptr sink;
        if (options.file.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
        }
        return std::make_unique<SpdlogLog>(std::move(sink), options);
    } catch (const spdlog::spdlog_ex& exception) {
        return std::string("cannot open the log: ") + exception.what();
    }
}

}  // namespace blockd::daemon
