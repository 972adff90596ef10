// What blockd was asked to do: the contents of its configuration file, checked.
//
// docs/configuration.md describes every key, config/blockd.schema.json its form.
#pragma once

#include <blockd/io/backend.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/complaint.h"
#include "daemon/json_document.h"
#include "daemon/log.h"
#include "server/limits.h"

namespace blockd::daemon {

inline constexpr uint64_t config_size_max = 1u << 20;
inline constexpr uint64_t export_size_min = 1;
inline constexpr uint64_t export_size_max = uint64_t(1) << 62;  // Offsets are signed 64 bits.

struct ExportConfig {
    std::string name;
    std::string description;
    std::string file;     // Absolute.
    uint64_t size = 0;    // Bytes; 0: all of the file.
    bool create = false;  // Make the file when it is missing; `size` is given.
    bool is_default = false;
    bool is_read_only = false;
    bool direct = true;
    bool preallocate = true;
    bool allow_weak_sync = false;
    uint64_t cache_size = 0;  // Bytes; 0: no cache.
};

struct IoConfig {
    io::BackendKind backend = io::BackendKind::automatic;
    uint32_t loops = 1;  // Threads that serve clients, each with a backend of its own.
    uint32_t disk_workers = io::BackendOptions().disk_workers;
    std::string record;  // Absolute; empty: nothing is recorded.
};

struct Config {
    std::vector<io::ListenOptions> listeners;
    std::vector<ExportConfig> exports;
    bool allow_list = true;
    server::Limits limits;
    IoConfig io;
    LogOptions log;
};

struct ConfigResult {
    Config config;
    Complaints complaints;  // Empty: the config may be used.
};

// Reads a document. Relative paths are taken from `folder`, which is absolute. Looks at the
// document alone, never at the file system. Listeners and exports keep their places in the lists,
// wrong ones too, so that later complaints find them.
ConfigResult read_config(const JsonValue& document, const std::string& folder);

// Complains of paths that cannot work: a folder that is missing or may not be written, a data
// file that is missing without `create`, no regular file, or too small, two exports of one file, a
// log into a data file. Looks, and touches nothing.
Complaints check_paths(const Config& config);

// Both, and what was wrong with the document's syntax.
ConfigResult check_document(const JsonDocument& document, const std::string& folder);

// The same for a file of JSON, whose folder relative paths are taken from.
ConfigResult load_config(const std::string& path);

}  // namespace blockd::daemon
