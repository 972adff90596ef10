// The part of file.h that Linux, macOS and the BSDs agree on.
#include "io/file.h"

#include "io/system_call.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace blockd::io {
namespace {

int number(Fd file) { return static_cast<int>(file); }

FileKind kind_of(mode_t mode) {
    if (S_ISREG(mode)) {
        return FileKind::regular;
    }
    if (S_ISDIR(mode)) {
        return FileKind::directory;
    }
    return S_ISBLK(mode) ? FileKind::block_device : FileKind::other;
}

FileFacts facts_of(const struct stat& status) {
    return {.kind = kind_of(status.st_mode),
            .size = static_cast<uint64_t>(status.st_size),
            .device = static_cast<uint64_t>(status.st_dev),
            .inode = static_cast<uint64_t>(status.st_ino)};
}

int flags_of(FileAccess access) {
    switch (access) {
        case FileAccess::read: return O_RDONLY;
        case FileAccess::read_write: return O_RDWR;
        case FileAccess::create:
            // O_EXCL also refuses a symbolic link: nobody can plant one to redirect the new file.
            return O_RDWR | O_CREAT | O_EXCL;
        // To write, because NFS gives exclusive locks only to files that are open for writing.
        case FileAccess::lock: return O_RDWR | O_NOFOLLOW | O_NONBLOCK;
    }
    ASSERT(false);
}

std::string directory_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

int64_t facts_of_path(const std::string& path, FileFacts& facts) {
    struct stat status = {};
    const int64_t result = system_call([&] { return stat(path.c_str(), &status); });
    facts = facts_of(status);
    return result;
}

int64_t facts_of_name(const std::string& path, FileFacts& facts) {
    struct stat status = {};
    const int64_t result = system_call([&] { return lstat(path.c_str(), &status); });
    facts = facts_of(status);
    return result;
}

int64_t facts_of_file(Fd file, FileFacts& facts) {
    struct stat status = {};
    const int64_t result = system_call([&] { return fstat(number(file), &status); });
    facts = facts_of(status);
    return result;
}

int64_t open_file(const std::string& path, FileAccess access) {
    constexpr mode_t mode = 0640;
    return system_call([&] { return open(path.c_str(), flags_of(access) | O_CLOEXEC, mode); });
}

int64_t close_file(Fd file) {
    const int result = close(number(file));
    return result == 0 || errno == EINTR ? 0 : -errno;
}

int64_t remove_file(const std::string& path) {
    return system_call([&] { return unlink(path.c_str()); });
}

// link(2), POSIX: EEXIST if the new name exists, even as a symbolic link.
int64_t link_and_remove(const std::string& path, const std::string& new_path) {
    const int64_t result = system_call([&] { return link(path.c_str(), new_path.c_str()); });
    if (result >= 0) {
        (void)remove_file(path);  // It is named; a second name does no harm.
    }
    return result;
}

// flock belongs to the open file, unlike fcntl's record locks, which any close() of the same file
// by this process would drop.
int64_t lock_file(Fd file, LockKind kind) {
    const int operation = kind == LockKind::exclusive ? LOCK_EX : LOCK_SH;
    return system_call([&] { return flock(number(file), operation | LOCK_NB); });
}

int64_t unlock_file(Fd file) {
    return system_call([&] { return flock(number(file), LOCK_UN); });
}

int64_t resize_file(Fd file, uint64_t size) {
    return system_call([&] { return ftruncate(number(file), static_cast<off_t>(size)); });
}

// fsync(2): "EROFS, EINVAL: fd is bound to a special file which does not support synchronization"
// (Linux: squashfs, /proc), EINVAL or ENOTSUP (macOS).
bool is_sync_unknown(int64_t result) {
    return result == -EINVAL || result == -EROFS || result == -ENOTSUP;
}

int64_t sync_directory_of(const std::string& path, Durability durability) {
    const std::string directory = directory_of(path);
    const int64_t fd =
        system_call([&] { return open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) {
        return fd;
    }
    const int64_t result = sync_file(Fd{static_cast<int32_t>(fd)}, durability);
    (void)close_file(Fd{static_cast<int32_t>(fd)});
    return result;
}

std::string real_path_of(const std::string& path) {
    char* const found = realpath(path.c_str(), nullptr);
    std::string real_path = found == nullptr ? path : found;
    std::free(found);
    return real_path;
}

}  // namespace blockd::io
