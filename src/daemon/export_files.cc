#include "daemon/export_files.h"

#include <blockd/assert.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace blockd::daemon {
namespace {

bool exists(const std::string& path) {
    std::error_code error;
    return std::filesystem::exists(path, error) || error;
}

std::string_view caching_text(io::Caching caching) {
    switch (caching) {
        case io::Caching::direct: return "direct";
        case io::Caching::uncached: return "uncached";
        case io::Caching::cached: return "cached";
    }
    ASSERT(false);
    return "";
}

std::string_view sync_text(io::Durability durability) {
    switch (durability) {
        case io::Durability::full: return "full";
        case io::Durability::weak: return "weak";
        case io::Durability::none: return "none";
    }
    ASSERT(false);
    return "";
}

void log_state(const ExportConfig& config, const io::DataFile& file, bool is_new,
               server::Log& log) {
    const bool is_weak = file.durability == io::Durability::weak;
    const bool is_worse_than_asked = config.direct && file.caching == io::Caching::cached;
    log.write(is_weak || is_worse_than_asked ? server::LogLevel::warning : server::LogLevel::info,
              is_new ? "export made" : "export opened",
              {{"export", config.name},
               {"file", config.file},
               {"size_bytes", config.size == 0 ? file.size : config.size},
               {"caching", caching_text(file.caching)},
               {"sync", sync_text(file.durability)},
               {"alignment_bytes", uint64_t(file.alignment)},
               {"access", file.is_read_only ? "read-only" : "read-write"},
               {"cache_bytes", config.cache_size}});
    if (!file.is_name_synced) {
        log.write(server::LogLevel::warning,
                  "the directory cannot be synced: a power cut may undo a rename of the file",
                  {{"export", config.name}, {"file", config.file}});
    }
}

}  // namespace

std::vector<std::string> ExportFiles::open(const std::vector<ExportConfig>& configs,
                                           server::Log& log, StartWatch& watch) {
    ASSERT(files_.empty());
    files_.resize(configs.size());
    std::vector<size_t> missing;
    for (size_t index = 0; index < configs.size() && !watch.is_stop_asked(); ++index) {
        const ExportConfig& config = configs[index];
        if (config.create && !exists(config.file)) {
            missing.push_back(index);
        } else if (open_one(config, io::DataFilePurpose::open, files_[index])) {
            log_state(config, files_[index], false, log);
        }
    }
    for (const size_t index : missing) {
        if (!failures_.empty() || watch.is_stop_asked()) break;
        const StartWatch::Making making(watch, io::making_path_of(configs[index].file));
        if (open_one(configs[index], io::DataFilePurpose::format, files_[index])) {
            log_state(configs[index], files_[index], true, log);
        }
    }
    return failures_;
}

bool ExportFiles::open_one(const ExportConfig& config, io::DataFilePurpose purpose,
                           io::DataFile& file) {
    auto opened = io::open_data_file({.path = config.file,
                                      .purpose = purpose,
                                      .size = config.size,
                                      .is_read_only = config.is_read_only,
                                      .allow_weak_sync = config.allow_weak_sync,
                                      .preallocate = config.preallocate,
                                      .direct = config.direct});
    if (const auto* const failure = std::get_if<io::DataFileFailure>(&opened)) {
        failures_.push_back("export \"" + config.name + "\": " + failure->message);
        return false;
    }
    file = std::get<io::DataFile>(opened);
    return true;
}

std::vector<server::ExportOptions> ExportFiles::options(
    const std::vector<ExportConfig>& configs) const {
    ASSERT(configs.size() == files_.size());
    std::vector<server::ExportOptions> exports;
    for (size_t index = 0; index < configs.size(); ++index) {
        const ExportConfig& config = configs[index];
        exports.push_back({.name = config.name,
                           .description = config.description,
                           .is_default = config.is_default,
                           .is_read_only = config.is_read_only,
                           .size = config.size,
                           .cache_size = config.cache_size,
                           .file = files_[index]});
    }
    return exports;
}

std::vector<io::RecordedFile> ExportFiles::recorded_files(
    const std::vector<ExportConfig>& configs) const {
    ASSERT(configs.size() == files_.size());
    std::vector<io::RecordedFile> recorded;
    for (size_t index = 0; index < configs.size(); ++index) {
        const io::DataFile& file = files_[index];
        recorded.push_back({.fd = file.fd, .name = configs[index].name, .size = file.size});
    }
    return recorded;
}

void ExportFiles::close() {
    for (io::DataFile& file : files_) {
        if (file.fd != io::Fd::none) io::close_data_file(file);
    }
    files_.clear();
}

}  // namespace blockd::daemon
