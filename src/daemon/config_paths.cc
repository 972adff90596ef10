// check_paths(): what only the file system can say about a config.
#include "daemon/config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

namespace blockd::daemon {
namespace {

struct Found {
    int32_t error = 0;  // An errno; 0: it exists, and `status` says what it is.
    struct stat status {};
};

Found look_at(const std::string& path) {
    Found found;
    if (stat(path.c_str(), &found.status) != 0) found.error = errno;
    return found;
}

// As the process that will open it, not as the user who started it.
bool may_access(const std::string& path, int32_t mode) {
    return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
}

std::string reason_of(int32_t error) { return std::strerror(error); }

// Why nothing can be made in the folder of `path`; nothing when it can.
std::optional<std::string> folder_complaint(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const Found found = look_at(folder);
    if (found.error == ENOENT) return "a path in a folder that exists; " + folder + " does not";
    if (found.error != 0)
        return "a path in a folder in reach; " + folder + ": " + reason_of(found.error);
    if (!S_ISDIR(found.status.st_mode)) return "a path in a folder; " + folder + " is none";
    if (!may_access(folder, W_OK | X_OK)) {
        return "a path in a folder that blockd may write to; " + folder + ": " + reason_of(errno);
    }
    return std::nullopt;
}

// One name for one file, as far as the folders exist.
std::string canonical(const std::string& path) {
    std::error_code error;
    const std::filesystem::path found = std::filesystem::weakly_canonical(path, error);
    return error ? path : found.string();
}

class PathCheck {
  public:
    explicit PathCheck(const Config& config) : config_(config) {}

    Complaints run() && {
        for (size_t index = 0; index < config_.listeners.size(); ++index) {
            check_listener(config_.listeners[index].address, json_path("/listeners", index));
        }
        for (size_t index = 0; index < config_.exports.size(); ++index) {
            check_export(config_.exports[index], json_path("/exports", index));
        }
        if (!config_.log.file.empty()) check_log(config_.log.file);
        if (!config_.io.record.empty()) check_record(config_.io.record);
        return std::move(complaints_);
    }

  private:
    void check_listener(const io::Address& address, const std::string& where);
    void check_export(const ExportConfig& config, const std::string& where);
    void check_existing(const ExportConfig& config, const std::string& where,
                        const struct stat& status);
    void check_size(const ExportConfig& config, const std::string& where, uint64_t file_size);
    void check_missing(const ExportConfig& config, const std::string& where);
    void check_unique(const ExportConfig& config, const std::string& where,
                      const struct stat* status);
    std::string owner_of(const std::string& path, const struct stat* status) const;
    void check_log(const std::string& path);
    void check_record(const std::string& path);

    void complain(const std::string& where, const std::string& path, std::string allowed) {
        complaints_.push_back({where, json_text(JsonValue::of_string(path)), std::move(allowed)});
    }

    const Config& config_;
    Complaints complaints_;
    std::map<std::string, std::string> paths_;               // Data file to JSON path.
    std::map<std::pair<dev_t, ino_t>, std::string> inodes_;  // The same, for files that exist.
};

void PathCheck::check_listener(const io::Address& address, const std::string& where) {
    if (address.family() != io::AddressFamily::unix_path) return;

    const std::string path = address.path();
    const std::string json = where + "/unix";
    if (const std::optional<std::string> reason = folder_complaint(path)) {
        return complain(json, path, *reason);
    }
    const Found found = look_at(path);
    if (found.error == 0 && !S_ISSOCK(found.status.st_mode)) {
        complain(json, path, "a path that is free or an old socket; this is another kind of file");
    }
}

void PathCheck::check_export(const ExportConfig& config, const std::string& where) {
    if (config.file.empty()) return;  // Complained of already.
    const Found found = look_at(config.file);
    if (found.error == 0) {
        check_existing(config, where, found.status);
    } else if (found.error == ENOENT) {
        check_missing(config, where);
    } else {
        complain(where + "/file", config.file, "a path in reach: " + reason_of(found.error));
    }
    check_unique(config, where, found.error == 0 ? &found.status : nullptr);
}

void PathCheck::check_existing(const ExportConfig& config, const std::string& where,
                               const struct stat& status) {
    const std::string json = where + "/file";
    if (S_ISDIR(status.st_mode)) return complain(json, config.file, "a file; this is a folder");
    if (!S_ISREG(status.st_mode)) {
        return complain(json, config.file, "a regular file; this is something else");
    }
    check_size(config, where, uint64_t(status.st_size));
    if (!may_access(config.file, config.is_read_only ? R_OK : R_OK | W_OK)) {
        const std::string wanted = config.is_read_only ? "read" : "read and write";
        complain(json, config.file,
                 "a file that blockd may " + wanted + ": " + reason_of(errno) +
                     (config.is_read_only ? "" : " (or \"read_only\": true)"));
    }
}

void PathCheck::check_size(const ExportConfig& config, const std::string& where,
                           uint64_t file_size) {
    if (config.size > file_size) {
        complaints_.push_back({where + "/size", std::to_string(config.size),
                               "at most " + std::to_string(file_size) + " bytes, as many as " +
                                   config.file + " has; or a larger file"});
    } else if (config.size == 0 && file_size == 0) {
        complaints_.push_back(
            {where + "/size", "0", "a file of at least 1 byte; " + config.file + " is empty"});
    }
}

void PathCheck::check_missing(const ExportConfig& config, const std::string& where) {
    if (!config.create) {
        return complain(where + "/file", config.file,
                        "a file that exists, or \"create\": true with a \"size\" to make it");
    }
    if (const std::optional<std::string> reason = folder_complaint(config.file)) {
        complain(where + "/file", config.file, *reason);
    }
}

void PathCheck::check_unique(const ExportConfig& config, const std::string& where,
                             const struct stat* status) {
    const std::string json = where + "/file";
    const std::string other = owner_of(config.file, status);
    if (!other.empty()) {
        return complain(json, config.file, "a file of its own; this is that of " + other);
    }
    paths_.emplace(canonical(config.file), json);
    if (status != nullptr) inodes_.emplace(std::pair(status->st_dev, status->st_ino), json);
}

// The place of the export whose data file this is; empty when it is nobody's.
std::string PathCheck::owner_of(const std::string& path, const struct stat* status) const {
    if (const auto same = paths_.find(canonical(path)); same != paths_.end()) return same->second;
    if (status == nullptr) return {};
    const auto same = inodes_.find(std::pair(status->st_dev, status->st_ino));
    return same == inodes_.end() ? "" : same->second;
}

void PathCheck::check_log(const std::string& path) {
    const Found found = look_at(path);
    const std::string owner = owner_of(path, found.error == 0 ? &found.status : nullptr);
    if (!owner.empty()) {
        complain("/log/file", path, "a file of its own; this is that of " + owner);
    } else if (found.error == 0) {
        if (S_ISDIR(found.status.st_mode)) {
            complain("/log/file", path, "a file; this is a folder");
        } else if (!may_access(path, W_OK)) {
            complain("/log/file", path, "a file that blockd may write: " + reason_of(errno));
        }
    } else if (const std::optional<std::string> reason = folder_complaint(path)) {
        complain("/log/file", path, *reason);
    }
}

void PathCheck::check_record(const std::string& path) {
    const Found found = look_at(path);
    if (found.error == 0) {
        complain("/io/record", path, "a file that does not exist: a record is never overwritten");
    } else if (const std::optional<std::string> reason = folder_complaint(path)) {
        complain("/io/record", path, *reason);
    }
}

}  // namespace

Complaints check_paths(const Config& config) { return PathCheck(config).run(); }

}  // namespace blockd::daemon
