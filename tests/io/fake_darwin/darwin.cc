#include "io/fake_darwin/darwin.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <utility>

using blockd::io::fake_darwin::Darwin;
using blockd::io::fake_darwin::File;

namespace {

Darwin* current = nullptr;

int fail_with(int error) {
    errno = error;
    return -1;
}

const std::string& path_of(int fd) {
    const auto entry = current->open_files.find(fd);
    if (entry == current->open_files.end()) {
        std::abort();  // The code under test used an fd that is not open.
    }
    return entry->second.path;
}

// An open file may have been unlinked; then it is nobody's, but still there.
File& file_of(int fd) { return current->files[path_of(fd)]; }

// An open file is found by the newest of its names.
void follow(const std::string& path, const std::string& new_path) {
    for (auto& [fd, file] : current->open_files) {
        if (file.path == path) {
            file.path = new_path;
        }
    }
}

std::string words_of(int flags) {
    std::string words = (flags & O_RDWR) != 0 ? "read-write" : "read";
    words += (flags & O_CREAT) != 0 ? " create" : "";
    words += (flags & O_EXCL) != 0 ? " exclusive" : "";
    words += (flags & O_NOFOLLOW) != 0 ? " no-link" : "";
    words += (flags & O_NONBLOCK) != 0 ? " no-wait" : "";
    words += (flags & O_DIRECTORY) != 0 ? " directory" : "";
    return words + ((flags & O_CLOEXEC) != 0 ? "" : " inherited");
}

int open_path(const char* path, int flags) {
    if (!current->record(std::string("open ") + path + " " + words_of(flags))) {
        return -1;
    }
    const bool is_there = current->files.count(path) != 0;
    if (is_there && (flags & O_EXCL) != 0) {
        return fail_with(EEXIST);
    }
    if (!is_there && (flags & O_CREAT) == 0) {
        return fail_with(ENOENT);
    }
    const uint64_t inode = current->inode_of(current->files[path]);
    int fd = 100;
    while (current->open_files.count(fd) != 0) {
        ++fd;
    }
    current->open_files[fd] = {.path = path, .inode = inode};
    return fd;
}

int status_of(const File& file, uint64_t inode, struct stat* status) {
    constexpr mode_t modes[] = {S_IFREG, S_IFDIR, S_IFBLK, S_IFIFO};
    status->st_mode = modes[static_cast<size_t>(file.kind)] | 0640;
    status->st_size = static_cast<off_t>(file.size);
    status->st_dev = 1;
    status->st_ino = inode;
    return 0;
}

int status_of_path(const char* path, struct stat* status) {
    const auto entry = current->files.find(path);
    if (entry == current->files.end()) {
        return fail_with(ENOENT);
    }
    return status_of(entry->second, current->inode_of(entry->second), status);
}

int preallocate(int fd, fstore_t* store) {
    const bool is_contiguous = (store->fst_flags & F_ALLOCATECONTIG) != 0;
    const bool is_all = (store->fst_flags & F_ALLOCATEALL) != 0;
    if (!current->record(std::string("F_PREALLOCATE ") + (is_contiguous ? "contiguous" : "any") +
                         (is_all ? " all " : " part ") + std::to_string(store->fst_length))) {
        file_of(fd).reserved_size += current->kept_size;
        current->free_size -= current->kept_size;
        return -1;
    }
    if (store->fst_posmode != F_PEOFPOSMODE || store->fst_offset != 0 || store->fst_length <= 0) {
        return fail_with(EINVAL);
    }
    uint64_t size = static_cast<uint64_t>(store->fst_length);
    if (!current->reserve_sizes.empty()) {
        size = current->reserve_sizes.front();
        current->reserve_sizes.erase(current->reserve_sizes.begin());
    }
    file_of(fd).reserved_size += size;
    store->fst_bytesalloc = static_cast<off_t>(size);
    return 0;
}

int punch(fpunchhole_t* hole) {
    if (!current->record("F_PUNCHHOLE " + std::to_string(hole->fp_offset) + " " +
                         std::to_string(hole->fp_length))) {
        return -1;
    }
    const off_t block = current->block_size;
    const bool is_aligned = hole->fp_offset % block == 0 && hole->fp_length % block == 0;
    return is_aligned && hole->fp_flags == 0 && hole->reserved == 0 ? 0 : fail_with(EINVAL);
}

ssize_t transfer(const char* name, int fd, size_t size, off_t offset) {
    path_of(fd);
    if (!current->record(std::string(name) + " " + std::to_string(offset) + " " +
                         std::to_string(size))) {
        return -1;
    }
    if (size > INT_MAX) {  // As macOS does, instead of a short transfer.
        return fail_with(EINVAL);
    }
    return static_cast<ssize_t>(std::min<uint64_t>(size, current->transfer_size_max));
}

}  // namespace

namespace blockd::io::fake_darwin {

Darwin::Darwin() {
    current = this;
    files["."] = {.kind = File::Kind::directory};
}

Darwin::~Darwin() { current = nullptr; }

void Darwin::fail(const std::string& call, int error, uint32_t times) {
    failures_.push_back({call, error, times});
}

void Darwin::before(const std::string& call, std::function<void()> deed) {
    deeds_.push_back({call, std::move(deed)});
}

uint64_t Darwin::inode_of(File& file) {
    if (file.inode == 0) {
        file.inode = ++inode_count_;
    }
    return file.inode;
}

std::vector<std::string> Darwin::calls_named(const std::string& name) const {
    std::vector<std::string> named;
    for (const std::string& call : calls) {
        if (call.starts_with(name)) {
            named.push_back(call);
        }
    }
    return named;
}

bool Darwin::record(const std::string& call) {
    calls.push_back(call);
    for (Deed& deed : deeds_) {
        if (deed.deed != nullptr && call.starts_with(deed.call)) {
            std::exchange(deed.deed, nullptr)();
        }
    }
    for (Failure& failure : failures_) {
        if (failure.times > 0 && call.starts_with(failure.call)) {
            --failure.times;
            errno = failure.error;
            return false;
        }
    }
    return true;
}

}  // namespace blockd::io::fake_darwin

int open(const char* path, int flags, ...) { return open_path(path, flags); }

int openat(int directory, const char* path, int flags, ...) {
    return directory == AT_FDCWD ? open_path(path, flags) : fail_with(ENOTDIR);
}

int fcntl(int fd, int command, ...) {
    path_of(fd);
    std::va_list arguments;
    va_start(arguments, command);
    int result = 0;
    switch (command) {
        case F_PREALLOCATE: result = preallocate(fd, va_arg(arguments, fstore_t*)); break;
        case F_PUNCHHOLE: result = punch(va_arg(arguments, fpunchhole_t*)); break;
        case F_NOCACHE:
            result =
                current->record("F_NOCACHE " + std::to_string(va_arg(arguments, int))) ? 0 : -1;
            break;
        case F_RDAHEAD:
            result =
                current->record("F_RDAHEAD " + std::to_string(va_arg(arguments, int))) ? 0 : -1;
            break;
        case F_FULLFSYNC: result = current->record("F_FULLFSYNC " + path_of(fd)) ? 0 : -1; break;
        default: result = fail_with(EINVAL); break;
    }
    va_end(arguments);
    return result;
}

int close(int fd) {
    const bool is_recorded = current->record("close " + path_of(fd));
    current->open_files.erase(fd);  // Also when it was interrupted.
    return is_recorded ? 0 : -1;
}

int unlink(const char* path) {
    if (!current->record(std::string("unlink ") + path)) {
        return -1;
    }
    return current->files.erase(path) == 1 ? 0 : fail_with(ENOENT);
}

int link(const char* path, const char* new_path) {
    if (!current->record(std::string("link ") + path + " " + new_path)) {
        return -1;
    }
    if (current->files.count(new_path) != 0) {
        return fail_with(EEXIST);
    }
    current->files[new_path] = current->files[path];
    follow(path, new_path);
    return 0;
}

int renamex_np(const char* path, const char* new_path, unsigned int flags) {
    const char* how = flags == RENAME_EXCL ? " exclusive" : "";
    if (!current->record(std::string("rename ") + path + " " + new_path + how)) {
        return -1;
    }
    if (current->files.count(new_path) != 0 && flags == RENAME_EXCL) {
        return fail_with(EEXIST);
    }
    current->files[new_path] = current->files[path];
    current->files.erase(path);
    follow(path, new_path);
    return 0;
}

int ftruncate(int fd, off_t size) {
    if (!current->record("ftruncate " + std::to_string(size))) {
        return -1;
    }
    File& file = file_of(fd);
    file.size = static_cast<uint64_t>(size);
    if (size == 0) {
        current->free_size += std::exchange(file.reserved_size, 0);
    }
    return 0;
}

int fsync(int fd) { return current->record("fsync " + path_of(fd)) ? 0 : -1; }

int flock(int fd, int operation) {
    const bool is_exclusive = (operation & LOCK_EX) != 0;
    const bool is_unlock = (operation & LOCK_UN) != 0;
    const char* kind = is_unlock ? "unlock" : is_exclusive ? "exclusive" : "shared";
    const char* waiting = is_unlock || (operation & LOCK_NB) != 0 ? "" : " waiting";
    if (!current->record(std::string("flock ") + kind + waiting)) {
        return -1;
    }
    return !is_unlock && file_of(fd).is_written_elsewhere ? fail_with(EWOULDBLOCK) : 0;
}

ssize_t pread(int fd, void*, size_t size, off_t offset) {
    const ssize_t moved = transfer("pread", fd, size, offset);
    const off_t left = std::max<off_t>(static_cast<off_t>(file_of(fd).size) - offset, 0);
    return std::min<ssize_t>(moved, left);
}

ssize_t pwrite(int fd, const void*, size_t size, off_t offset) {
    return transfer("pwrite", fd, size, offset);
}

uid_t geteuid() { return 501; }

int stat(const char* path, struct stat* status) {
    if (!current->record(std::string("stat ") + path)) {
        return -1;
    }
    return status_of_path(path, status);
}

int lstat(const char* path, struct stat* status) {
    return current->record(std::string("lstat ") + path) ? status_of_path(path, status) : -1;
}

int fstat(int fd, struct stat* status) {
    if (!current->record("fstat " + path_of(fd))) {
        return -1;
    }
    return status_of(file_of(fd), current->open_files[fd].inode, status);
}

int fstatfs(int fd, struct statfs* status) {
    if (!current->record("fstatfs " + path_of(fd))) {
        return -1;
    }
    const uint64_t free_count = current->free_size / std::max(current->block_size, 1u);
    *status = {.f_bsize = current->block_size,
               .f_iosize = 1 << 20,
               .f_blocks = uint64_t{1} << 30,
               .f_bfree = free_count,
               .f_bavail = free_count};
    return 0;
}
