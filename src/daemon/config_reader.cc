// read_config(): from a JSON document to a Config, complaining of everything that is wrong.
#include "daemon/config.h"

#include <blockd/nbd_wire.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "daemon/object_reader.h"
#include "daemon/units.h"
#include "storage/block_cache.h"

namespace blockd::daemon {
namespace {

constexpr size_t path_size_max = 4095;  // PATH_MAX of Linux without its NUL; macOS has 1024.
constexpr std::array<io::BackendKind, 3> backends = {
    io::BackendKind::automatic, io::BackendKind::kqueue, io::BackendKind::io_uring};
constexpr std::string_view path_form = "a path, absolute or relative to the config's folder";

class ConfigReader {
  public:
    ConfigReader(const JsonValue& document, const std::string& folder)
        : document_(document), folder_(folder) {}

    ConfigResult read() &&;

  private:
    void read_listener(const JsonValue& value, std::string path);
    void read_unix(ObjectReader& reader, io::ListenOptions& options);
    void read_tcp(ObjectReader& reader, io::ListenOptions& options);
    void read_export(const JsonValue& value, std::string path);
    void read_cache(const JsonValue& value, const std::string& path, ExportConfig& config);
    void read_limits(const JsonValue& value);
    void check_limits();
    void read_io(const JsonValue& value);
    void check_loops();
    void read_log(const JsonValue& value);
    void check_defaults();

    std::string absolute(std::string_view path) const {
        return (std::filesystem::path(folder_) / path).lexically_normal().string();
    }
    void complain(std::string path, std::string value, std::string allowed) {
        result_.complaints.push_back({std::move(path), std::move(value), std::move(allowed)});
    }

    const JsonValue& document_;
    const std::string& folder_;
    ConfigResult result_;
    std::map<std::string, std::string, std::less<>> listener_paths_;  // Address to JSON path.
    std::map<std::string, std::string, std::less<>> name_paths_;      // Export to JSON path.
    std::vector<std::string> default_paths_;  // Of exports that say "default": true.
};

ConfigResult ConfigReader::read() && {
    ObjectReader reader(document_, "", result_.complaints);

    const std::span<const JsonValue> listeners =
        reader.read_list("listeners", server::listeners_max,
                         "a list of 1 to " + std::to_string(server::listeners_max) +
                             " listeners, like [{\"unix\": \"blockd.sock\"}]");
    for (size_t index = 0; index < listeners.size(); ++index) {
        read_listener(listeners[index], json_path("/listeners", index));
    }

    const std::span<const JsonValue> exports =
        reader.read_list("exports", server::exports_max,
                         "a list of 1 to " + std::to_string(server::exports_max) +
                             " exports, like [{\"name\": \"demo\", \"file\": \"demo.img\"}]");
    for (size_t index = 0; index < exports.size(); ++index) {
        read_export(exports[index], json_path("/exports", index));
    }
    check_defaults();

    reader.read_boolean("allow_list", result_.config.allow_list);
    if (const JsonValue* const limits = reader.find("limits")) read_limits(*limits);
    if (const JsonValue* const io = reader.find("io")) read_io(*io);
    check_loops();
    if (const JsonValue* const log = reader.find("log")) read_log(*log);
    reader.finish();
    return std::move(result_);
}

void ConfigReader::read_listener(const JsonValue& value, std::string path) {
    const size_t complaints_before = result_.complaints.size();
    ObjectReader reader(value, path, result_.complaints);
    io::ListenOptions options;
    const bool is_unix = reader.has("unix");
    const bool is_tcp = reader.has("tcp");
    if (value.kind == JsonValue::Kind::object && is_unix == is_tcp) {
        complain(path, json_text(value),
                 "either {\"unix\": PATH, \"mode\": \"0660\"} or "
                 "{\"tcp\": ADDRESS, \"port\": 10809}");
    } else {
        if (is_unix) read_unix(reader, options);
        if (is_tcp) read_tcp(reader, options);
        reader.finish();
    }
    result_.config.listeners.push_back(options);
    if (result_.complaints.size() != complaints_before) return;

    // Port 0 is another port each time.
    if (is_tcp && options.address.port() == 0) return;
    const auto [found, is_new] = listener_paths_.emplace(options.address.text(), path);
    if (!is_new) {
        complain(path, json_text(value), "an address of its own; this is that of " + found->second);
    }
}

void ConfigReader::read_unix(ObjectReader& reader, io::ListenOptions& options) {
    if (const std::string* const text = reader.read_text("unix", 1, path_size_max, path_form)) {
        const std::string path = absolute(*text);
        const Result<io::Address> address = io::Address::unix_path(path);
        if (address) {
            options.address = *address;
        } else {
            reader.complain("unix", "a shorter path: sockets take about 100 bytes, and " + path +
                                        " has " + std::to_string(path.size()));
        }
    }
    const JsonValue* const mode = reader.find("mode");
    if (mode == nullptr) return;

    const std::string& digits = mode->text;
    const bool is_octal = mode->kind == JsonValue::Kind::string && digits.size() == 4 &&
                          digits[0] == '0' &&
                          digits.find_first_not_of("01234567") == std::string::npos;
    if (!is_octal) return reader.complain("mode", "four octal digits as text, like \"0660\"");
    std::from_chars(digits.data(), digits.data() + digits.size(), options.unix_mode, 8);
}

void ConfigReader::read_tcp(ObjectReader& reader, io::ListenOptions& options) {
    constexpr std::string_view form =
        "a numeric IPv4 or IPv6 address, like \"127.0.0.1\" or \"::1\"; "
        "\"0.0.0.0\" or \"::\" listen everywhere";
    uint32_t port = nbd::default_port;
    reader.read_count("port", port, 0, UINT16_MAX);
    const std::string* const host = reader.read_text("tcp", 1, 64, form);
    if (host == nullptr) return;

    const Result<io::Address> address = io::Address::ip(*host, static_cast<uint16_t>(port));
    if (!address) return reader.complain("tcp", form);
    options.address = *address;
}

void ConfigReader::read_export(const JsonValue& value, std::string path) {
    ObjectReader reader(value, path, result_.complaints);
    ExportConfig config;

    const std::string name_form = "text of 1 to " + std::to_string(nbd::string_size_max) +
                                  " bytes without control characters";
    reader.required("name", name_form);
    if (const std::string* const name =
            reader.read_text("name", 1, nbd::string_size_max, name_form)) {
        config.name = *name;
        const auto [found, is_new] = name_paths_.emplace(*name, path);
        if (!is_new) reader.complain("name", "a name of its own; this is that of " + found->second);
    }
    reader.required("file", path_form);
    if (const std::string* const file = reader.read_text("file", 1, path_size_max, path_form)) {
        config.file = absolute(*file);
    }
    if (const std::string* const description =
            reader.read_text("description", 0, nbd::string_size_max,
                             "text of at most " + std::to_string(nbd::string_size_max) +
                                 " bytes without control characters")) {
        config.description = *description;
    }
    reader.read_size("size", config.size, export_size_min, export_size_max);
    reader.read_boolean("create", config.create);
    reader.read_boolean("default", config.is_default);
    reader.read_boolean("read_only", config.is_read_only);
    reader.read_boolean("direct", config.direct);
    reader.read_boolean("preallocate", config.preallocate);
    reader.read_boolean("allow_weak_sync", config.allow_weak_sync);
    if (const JsonValue* const cache = reader.find("cache")) {
        read_cache(*cache, reader.path_of("cache"), config);
    }
    reader.finish();

    if (config.create && !reader.has("size")) {
        reader.complain("size", "\"create\" needs it: " + std::string(size_form));
    }
    if (config.create && config.is_read_only) {
        reader.complain("create", "false, or \"read_only\" false: a new file holds only zeros");
    }
    if (config.is_default) default_paths_.push_back(reader.path_of("default"));
    result_.config.exports.push_back(std::move(config));
}

void ConfigReader::read_cache(const JsonValue& value, const std::string& path,
                              ExportConfig& config) {
    ObjectReader reader(value, path, result_.complaints);
    reader.required("size", std::string(size_form));
    reader.read_size("size", config.cache_size, storage::cache_size_min, storage::cache_size_max);
    reader.read_choice("mode", {"write-through"});
    reader.finish();
}

void ConfigReader::check_defaults() {
    for (size_t index = 1; index < default_paths_.size(); ++index) {
        complain(default_paths_[index], "true",
                 "true for one export at most; " + default_paths_[0] + " is true already");
    }
    // Whoever asks for the empty name gets the only export, marked or not.
    if (result_.config.exports.size() == 1) result_.config.exports[0].is_default = true;
}

void ConfigReader::read_limits(const JsonValue& value) {
    ObjectReader reader(value, "/limits", result_.complaints);
    server::Limits& limits = result_.config.limits;
    reader.read_count("connections", limits.connections, 1, server::connections_max);
    reader.read_count("requests_per_connection", limits.requests_per_connection, 1,
                      server::requests_per_connection_max);
    reader.read_size("bytes_per_connection", limits.bytes_per_connection,
                     server::bytes_per_connection_min, server::buffer_bytes_max);
    reader.read_count("requests", limits.requests, 1, server::requests_max);
    reader.read_size("buffer_bytes", limits.buffer_bytes, server::buffer_bytes_min,
                     server::buffer_bytes_max);
    reader.read_duration("handshake_timeout", limits.handshake_timeout_ns, server::timeout_ns_min,
                         server::timeout_ns_max);
    reader.read_duration("transfer_timeout", limits.transfer_timeout_ns, server::timeout_ns_min,
                         server::timeout_ns_max);
    reader.read_duration("shutdown_grace", limits.shutdown_grace_ns, server::timeout_ns_min,
                         server::timeout_ns_max);
    reader.finish();
    check_limits();
}

// What one connection may have, all of them together may have.
void ConfigReader::check_limits() {
    const server::Limits& limits = result_.config.limits;
    if (limits.requests_per_connection > limits.requests) {
        complain("/limits/requests_per_connection", std::to_string(limits.requests_per_connection),
                 "at most /limits/requests, which is " + std::to_string(limits.requests));
    }
    if (limits.bytes_per_connection > limits.buffer_bytes) {
        complain("/limits/bytes_per_connection", size_text(limits.bytes_per_connection),
                 "at most /limits/buffer_bytes, which is " + size_text(limits.buffer_bytes));
    }
}

void ConfigReader::read_io(const JsonValue& value) {
    ObjectReader reader(value, "/io", result_.complaints);
    IoConfig& config = result_.config.io;
    const auto backend = reader.read_choice("backend", {"auto", "kqueue", "io_uring"});
    if (backend) config.backend = backends[*backend];
    reader.read_count("loops", config.loops, 1, server::shards_max);
    reader.read_count("disk_workers", config.disk_workers, 1, io::disk_workers_max);
    if (const std::string* const record = reader.read_text("record", 1, path_size_max, path_form)) {
        config.record = absolute(*record);
    }
    reader.finish();
}

// Each loop has its share of what all connections may have. A record is one loop's.
void ConfigReader::check_loops() {
    const Config& config = result_.config;
    if (config.io.loops == 1) return;
    const std::string loops = std::to_string(config.io.loops);
    const uint32_t most = server::shards_max_of(config.limits);
    if (config.io.loops > most) {
        complain("/io/loops", loops,
                 "1, or as many as have " + size_text(server::buffer_bytes_min) +
                     " of /limits/buffer_bytes, /limits/requests_per_connection of "
                     "/limits/requests and one of /limits/connections each, which is " +
                     std::to_string(most));
    }
    if (!config.io.record.empty()) complain("/io/loops", loops, "1 with /io/record");
}

void ConfigReader::read_log(const JsonValue& value) {
    using server::LogLevel;
    constexpr LogLevel levels[] = {LogLevel::debug, LogLevel::info, LogLevel::warning,
                                   LogLevel::error};
    ObjectReader reader(value, "/log", result_.complaints);
    LogOptions& options = result_.config.log;
    if (const std::optional<size_t> choice =
            reader.read_choice("level", {"debug", "info", "warning", "error"})) {
        options.level = levels[*choice];
    }
    if (const std::optional<size_t> choice = reader.read_choice("format", {"text", "json"})) {
        options.format = *choice == 0 ? LogFormat::text : LogFormat::json;
    }
    const std::string* const file =
        reader.read_text("file", 1, path_size_max, "\"stderr\" or a path");
    if (file != nullptr && *file != "stderr") options.file = absolute(*file);
    reader.finish();
}

}  // namespace

ConfigResult read_config(const JsonValue& document, const std::string& folder) {
    return ConfigReader(document, folder).read();
}

}  // namespace blockd::daemon
