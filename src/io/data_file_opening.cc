#include "io/data_file_opening.h"

#include "io/os_error.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <limits>
#include <thread>
#include <utility>

namespace blockd::io {
namespace {

// Someone who inspects holds the lock for microseconds, a daemon that is being replaced for a
// little longer, and one that was killed until its disk has done what it was told: none of them
// shall fail a start.
constexpr int lock_attempts_max = 25;
constexpr std::chrono::milliseconds lock_retry_wait{20};

constexpr uint64_t file_size_max = std::numeric_limits<int64_t>::max();

FileAccess access_for(const DataFileOptions& options) {
    if (options.purpose == DataFilePurpose::format) {
        return FileAccess::create;
    }
    const bool is_read = options.is_read_only || options.purpose == DataFilePurpose::inspect;
    return is_read ? FileAccess::read : FileAccess::read_write;
}

const char* verb_of(DataFilePurpose purpose) {
    switch (purpose) {
        case DataFilePurpose::format: return "make";
        case DataFilePurpose::open: return "open";
        case DataFilePurpose::inspect: return "inspect";
    }
    ASSERT(false);
}

const char* name_of(FileKind kind) {
    switch (kind) {
        case FileKind::regular: return "a regular file";
        case FileKind::directory: return "a directory";
        case FileKind::block_device: return "a block device";
        case FileKind::other: return "a pipe, a socket or a character device";
    }
    ASSERT(false);
}

// What is written to a file without a name is gone with its last close.
bool is_named(const FileFacts& held, const std::string& path) {
    FileFacts named;
    return facts_of_path(path, named) >= 0 && held.device == named.device &&
           held.inode == named.inode;
}

// Whatever else has the name now is somebody else's.
void remove_if_named(Fd file, const std::string& path) {
    FileFacts held;
    if (facts_of_file(file, held) >= 0 && is_named(held, path)) {
        (void)remove_file(path);
    }
}

std::string system_says(int64_t result) { return os_error_text(static_cast<int32_t>(-result)); }

int64_t lock_patiently(Fd file, LockKind kind) {
    for (int attempt = 1;; ++attempt) {
        const int64_t result = lock_file(file, kind);
        if (result != -EWOULDBLOCK || attempt == lock_attempts_max) {
            return result;
        }
        std::this_thread::sleep_for(lock_retry_wait);
    }
}

// Not a failure of the disk: we may not open the directory, or it knows no sync.
bool is_sync_refused(int64_t result) {
    switch (error_from_errno(static_cast<int32_t>(-result), "").code) {
        case ErrorCode::permission:
        case ErrorCode::not_supported:
        case ErrorCode::invalid: return true;
        default: return false;
    }
}

}  // namespace

DataFileOpening::DataFileOpening(const DataFileOptions& options)
    : options_(options),
      access_(access_for(options)),
      path_(is(DataFilePurpose::format) ? making_path_of(options.path) : options.path) {
    file_.is_read_only = access_ == FileAccess::read;
}

DataFileOpening::~DataFileOpening() {
    if (file_.fd == Fd::none) {
        return;
    }
    if (is_made_) {
        remove_if_named(file_.fd, path_);
    }
    (void)close_file(file_.fd);
}

std::variant<DataFile, DataFileFailure> DataFileOpening::run() {
    using Step = bool (DataFileOpening::*)();
    // The order matters: locked before anything is changed, checked before anything is served,
    // complete and durable before it has its name.
    constexpr Step steps[] = {
        &DataFileOpening::check_size_asked_for,
        &DataFileOpening::check_kind,
        &DataFileOpening::remove_leftover,
        &DataFileOpening::open,
        &DataFileOpening::lock,
        &DataFileOpening::check_name,
        &DataFileOpening::allocate,
        &DataFileOpening::check_size,
        &DataFileOpening::choose_caching,
        &DataFileOpening::sync,
        &DataFileOpening::give_name,
        &DataFileOpening::sync_directory,
        &DataFileOpening::find_abilities,
    };
    for (const Step step : steps) {
        if (!(this->*step)()) {
            return failure_;
        }
    }
    DataFile opened = file_;
    file_.fd = Fd::none;  // The caller's now.
    return opened;
}

bool DataFileOpening::check_size_asked_for() {
    if (is(DataFilePurpose::format) && options_.size == 0) {
        return fail(ErrorCode::invalid, "its size must be 1 byte or more, not 0");
    }
    if (options_.size > file_size_max) {
        return fail(ErrorCode::invalid, "its size must be at most " +
                                            std::to_string(file_size_max) + " bytes, not " +
                                            std::to_string(options_.size));
    }
    return true;
}

// Before it is opened, because opening some devices does things.
bool DataFileOpening::check_kind() {
    if (is(DataFilePurpose::format)) {
        return check_name_is_free();
    }
    FileFacts facts;
    if (facts_of_path(options_.path, facts) < 0) {
        return true;  // open() says what is wrong.
    }
    if (facts.kind != FileKind::regular) {
        return fail(ErrorCode::invalid, std::string("it is ") + name_of(facts.kind) +
                                            "; only a regular file can be a data file");
    }
    return true;
}

// Before anything is made. Whether it is free at the end as well, give_name() finds out.
bool DataFileOpening::check_name_is_free() {
    FileFacts facts;
    return facts_of_name(options_.path, facts) < 0 || fail_existing();
}

bool DataFileOpening::fail_existing() {
    return fail_system(-EEXIST, "make data file",
                       "it exists already; open it as it is, or remove it first");
}

// A start that was killed while it made the file left it, of no size in particular and without a
// lock: the lock ends with its process.
bool DataFileOpening::remove_leftover() {
    FileFacts facts;
    if (!is(DataFilePurpose::format) || facts_of_name(path_, facts) < 0) {
        return true;
    }
    const int64_t result = open_file(path_, FileAccess::lock);
    if (result < 0) {
        return fail_system(result, "open leftover",
                           "what an earlier attempt left, " + path_ +
                               ", cannot be opened: " + system_says(result));
    }
    const Fd leftover{static_cast<int32_t>(result)};
    const bool is_in_use = lock_patiently(leftover, LockKind::exclusive) == -EWOULDBLOCK;
    // Nameless: its maker has just given it its name, or removed it.
    if (!is_in_use) {
        remove_if_named(leftover, path_);
    }
    (void)close_file(leftover);
    return !is_in_use || fail_busy("another process is making it");
}

bool DataFileOpening::open() {
    const int64_t result = open_file(path_, access_);
    if (result >= 0) {
        file_.fd = Fd{static_cast<int32_t>(result)};
        is_made_ = is(DataFilePurpose::format);
        return true;
    }
    const ErrorCode code = error_from_errno(static_cast<int32_t>(-result), "").code;
    if (code == ErrorCode::exists) {
        return fail_busy("another process is making it");
    }
    std::string reason = system_says(result);
    if (code == ErrorCode::not_found && is(DataFilePurpose::format)) {
        reason += "; its directory must exist";
    }
    if (code == ErrorCode::permission) {
        reason += permission_hint();
    }
    return fail_system(result, "open data file", reason);
}

bool DataFileOpening::lock() {
    if (is(DataFilePurpose::inspect)) {
        // Readers share, so this meets only an owner that may write. Other errors: nobody can lock
        // here, hence nobody owns it.
        file_.is_owned_elsewhere = lock_file(file_.fd, LockKind::shared) == -EWOULDBLOCK;
        (void)unlock_file(file_.fd);
        return true;
    }
    const LockKind kind = file_.is_read_only ? LockKind::shared : LockKind::exclusive;
    const int64_t result = lock_patiently(file_.fd, kind);
    if (result == -EWOULDBLOCK) {
        is_made_ = false;
        return fail_busy(
            "another process, or another export of this one, owns it; only one may write to it");
    }
    if (result < 0) {
        return fail_system(result, "lock data file",
                           "it cannot be locked (" + system_says(result) +
                               "); its file system must support flock");
    }
    return true;
}

// Between our open and our lock, a former owner may have replaced the file and ended, without a
// moment in which the lock had to be waited for.
bool DataFileOpening::check_name() {
    if (is(DataFilePurpose::inspect)) {
        return true;
    }
    FileFacts held;
    const int64_t result = facts_of_file(file_.fd, held);
    if (result < 0) {
        return fail_system(result, "examine data file",
                           "what it is cannot be found out: " + system_says(result));
    }
    if (!is_named(held, path_)) {
        return fail(ErrorCode::busy, "it was replaced while it was being opened; start again");
    }
    return true;
}

bool DataFileOpening::allocate() {
    if (!is(DataFilePurpose::format)) {
        return true;
    }
    if (options_.preallocate && !reserve_blocks()) {
        return false;
    }
    const int64_t result = resize_file(file_.fd, options_.size);
    if (result < 0) {
        return fail_system(result, "resize data file",
                           "it cannot become " + std::to_string(options_.size) +
                               " bytes long: " + system_says(result));
    }
    return true;
}

bool DataFileOpening::reserve_blocks() {
    const int64_t result = preallocate_file(file_.fd, options_.size);
    if (result >= 0) {
        return true;
    }
    const ErrorCode code = error_from_errno(static_cast<int32_t>(-result), "").code;
    if (code == ErrorCode::not_supported) {
        return fail_system(result, "preallocate data file",
                           "its file system cannot reserve " + std::to_string(options_.size) +
                               " bytes (" + system_says(result) +
                               "); another one can, or preallocation must be turned off");
    }
    return fail_system(
        result, "preallocate data file",
        code == ErrorCode::no_space
            ? system_says(result) + "; " + no_space_reason()
            : std::to_string(options_.size) + " bytes cannot be reserved: " + system_says(result));
}

std::string DataFileOpening::no_space_reason() const {
    std::string needed = std::to_string(options_.size) + " bytes are needed";
    (void)resize_file(file_.fd, 0);  // What a failed attempt has taken is free.
    const int64_t free = free_space(file_.fd);
    if (free < 0) {
        return needed;
    }
    const uint64_t available = static_cast<uint64_t>(free);
    if (available >= options_.size) {
        return needed + ", " + std::to_string(available) +
               " are free: a quota, a limit of the file system, or its own bookkeeping stands in "
               "the way";
    }
    return needed + ", " + std::to_string(available) + " are free, " +
           std::to_string(options_.size - available) + " are missing";
}

bool DataFileOpening::check_size() {
    FileFacts facts;
    const int64_t result = facts_of_file(file_.fd, facts);
    if (result < 0) {
        return fail_system(result, "examine data file",
                           "its size cannot be found out: " + system_says(result));
    }
    if (facts.kind != FileKind::regular) {  // It was swapped since check_kind().
        return fail(ErrorCode::invalid, "only a regular file can be a data file");
    }
    file_size_ = facts.size;
    file_.size = options_.size == 0 ? facts.size : options_.size;
    if (facts.size < file_.size) {
        return fail(ErrorCode::too_large,
                    "it is " + std::to_string(facts.size) + " bytes long, " +
                        std::to_string(file_.size) +
                        " are configured; lower the configured size, or grow the file");
    }
    if (file_.size == 0) {
        return fail(ErrorCode::invalid, "it is empty; it must hold 1 byte or more");
    }
    return true;
}

bool DataFileOpening::choose_caching() {
    if (options_.direct) {
        const DirectIo direct = start_direct_io(file_.fd, file_.size);
        file_.caching = direct.caching;
        file_.alignment = direct.alignment;
    }
    return true;
}

bool DataFileOpening::sync() {
    if (is(DataFilePurpose::inspect)) {
        return true;
    }
    const int64_t result = sync_file(file_.fd, Durability::full);
    if (result >= 0) {
        return true;
    }
    if (is_full_sync_unknown(result)) {
        return accept_weak_sync(result);
    }
    return accept_no_sync(result);
}

bool DataFileOpening::accept_weak_sync(int64_t full_sync_result) {
    if (!options_.allow_weak_sync && !file_.is_read_only) {
        fail(ErrorCode::not_supported,
             "its file system does not know a full sync (" + system_says(full_sync_result) +
                 "); \"allow_weak_sync\": true accepts syncs that a power cut can undo");
        failure_.error.os_errno = static_cast<int32_t>(-full_sync_result);
        return false;
    }
    file_.durability = Durability::weak;
    const int64_t result = sync_file(file_.fd, Durability::weak);
    return result >= 0 || accept_no_sync(result);
}

// Nobody writes to a file system that has no syncs: there is nothing that a reader could lose.
bool DataFileOpening::accept_no_sync(int64_t sync_result) {
    if (file_.is_read_only && is_sync_unknown(sync_result)) {
        file_.durability = Durability::none;
        return true;
    }
    return fail_system(sync_result, "sync data file",
                       "its sync failed: " + system_says(sync_result));
}

bool DataFileOpening::give_name() {
    if (!is(DataFilePurpose::format)) {
        return true;
    }
    const int64_t result = rename_without_replacing(path_, options_.path);
    if (result >= 0) {
        path_ = options_.path;
        return true;
    }
    if (result == -EEXIST) {
        return fail_existing();
    }
    return fail_system(result, "name data file",
                       "it cannot be given its name: " + system_says(result) +
                           "; its file system must have renames that replace nothing, or hard "
                           "links");
}

// Of an existing file too: it may have been renamed to its name a moment ago.
bool DataFileOpening::sync_directory() {
    if (file_.is_read_only) {
        return true;
    }
    int64_t result = sync_directory_of(path_, file_.durability);
    const std::string real_path = real_path_of(path_);
    if (result >= 0 && real_path != path_) {
        result = sync_directory_of(real_path, file_.durability);
    }
    if (result >= 0) {
        return true;
    }
    if (is(DataFilePurpose::open) && is_sync_refused(result)) {
        file_.is_name_synced = false;
        return true;
    }
    return fail_system(result, "sync directory",
                       "the sync of its directory failed: " + system_says(result));
}

bool DataFileOpening::find_abilities() {
    const HoleAbilities abilities = find_hole_abilities(file_.fd, file_size_, access_);
    file_.can_punch_hole = abilities.can_punch_hole;
    file_.can_zero_range = abilities.can_zero_range;
    file_.can_report_extents = abilities.can_report_extents;
    // A file system's block can be smaller than what direct IO wants.
    file_.hole_alignment = std::max(abilities.alignment, file_.alignment);
    return true;
}

std::string DataFileOpening::permission_hint() const {
    const std::string user = "; the user that runs this (uid " + std::to_string(geteuid()) + ")";
    if (is(DataFilePurpose::format)) {
        return user + " must be allowed to write to its directory";
    }
    if (file_.is_read_only) {
        return user + " must be allowed to read it";
    }
    return user +
           " must be allowed to read and write it; a file that may only be read can be "
           "served read-only";
}

bool DataFileOpening::fail(ErrorCode code, const std::string& reason) {
    failure_.error = {code, 0, "open data file"};
    failure_.message =
        std::string("cannot ") + verb_of(options_.purpose) + " " + options_.path + ": " + reason;
    return false;
}

bool DataFileOpening::fail_busy(const std::string& reason) {
    fail(ErrorCode::busy, reason);
    failure_.error.os_errno = EWOULDBLOCK;
    return false;
}

bool DataFileOpening::fail_system(int64_t result, const char* during, const std::string& reason) {
    fail(ErrorCode::os, reason);
    failure_.error = error_from_errno(static_cast<int32_t>(-result), during);
    return false;
}

}  // namespace blockd::io
