// What data files ask of a platform: each function is one system call, or its nearest equal.
//
// They block, run on any thread, and retry EINTR. Unless said otherwise they return 0 or more for
// success and a negated errno for failure, which is what a Completion carries.
//
// file_posix.cc has what is the same everywhere. For the rest meson chooses file_linux.cc or
// file_darwin.cc.
#pragma once

#include <blockd/io/completion.h>
#include <blockd/io/data_file.h>

#include <bit>
#include <cstdint>
#include <span>
#include <string>

namespace blockd::io {

enum class FileKind : uint8_t { regular, directory, block_device, other };

struct FileFacts {
    FileKind kind = FileKind::other;
    uint64_t size = 0;
    uint64_t device = 0;  // With the inode: which file it is.
    uint64_t inode = 0;
};

enum class FileAccess : uint8_t {
    read,
    read_write,
    create,  // Read and write a file that did not exist (EEXIST), readable by its group.
    lock,    // Look at what lies there: neither follows a symbolic link nor waits for a pipe.
};

enum class LockKind : uint8_t { shared, exclusive };

struct DirectIo {
    Caching caching = Caching::cached;
    uint32_t alignment = 1;
};

// What a file system says of itself may be more than storage can work with.
constexpr bool is_direct_alignment(uint64_t alignment, uint64_t size) {
    return alignment != 0 && std::has_single_bit(alignment) &&
           alignment <= data_file_alignment_max && size % alignment == 0;
}
constexpr bool is_hole_alignment(uint64_t alignment) {
    return std::has_single_bit(alignment) && alignment <= data_file_hole_alignment_max;
}

struct HoleAbilities {
    bool can_punch_hole = false;
    bool can_zero_range = false;
    bool can_report_extents = false;
    uint32_t alignment = 1;  // Of punch_hole and zero_range.
};

// file_posix.cc

int64_t facts_of_path(const std::string& path, FileFacts& facts);  // Follows symbolic links.
int64_t facts_of_name(const std::string& path, FileFacts& facts);  // Of a link itself.
int64_t facts_of_file(Fd file, FileFacts& facts);
int64_t open_file(const std::string& path, FileAccess access);  // The fd; closed in children.
int64_t close_file(Fd file);  // EINTR counts as closed: a retry could close another thread's fd.
int64_t remove_file(const std::string& path);

// Never waits: EWOULDBLOCK when another open file, of this process or another, has the lock. It
// ends with the last copy of the fd.
int64_t lock_file(Fd file, LockKind kind);
int64_t unlock_file(Fd file);

int64_t resize_file(Fd file, uint64_t size);

// Two steps: for a moment, and for ever if the process ends there, the file has both names. EEXIST
// when the new one is taken.
int64_t link_and_remove(const std::string& path, const std::string& new_path);

// Syncs the directory that the path names its file in, so that the name survives a power cut.
int64_t sync_directory_of(const std::string& path, Durability durability);

// The file's own name, where `path` leads to it through symbolic links; else `path`.
std::string real_path_of(const std::string& path);

// file_linux.cc, file_darwin.cc

// Gives a file another name in its directory, atomically where the file system can. Never replaces:
// EEXIST when the name is taken.
int64_t rename_without_replacing(const std::string& path, const std::string& new_path);

// Reserves `size` bytes for an empty file, all or nothing. EOPNOTSUPP or ENOTSUP where the file
// system cannot.
int64_t preallocate_file(Fd file, uint64_t size);

// Bytes that this process may still use on the file's file system.
int64_t free_space(Fd file);

// Bypasses the page cache where the file system can and `size` is a multiple of what that needs.
DirectIo start_direct_io(Fd file, uint64_t size);

// Finds out without touching a byte of the file's `size`.
HoleAbilities find_hole_abilities(Fd file, uint64_t size, FileAccess access);

// Durability::full is never weakened silently: where the file system does not know it, an errno
// follows for which is_full_sync_unknown() holds.
int64_t sync_file(Fd file, Durability durability);
bool is_full_sync_unknown(int64_t result);
bool is_sync_unknown(int64_t result);  // file_posix.cc: of any kind of sync.

// Both make the range read as zeros: punch_hole gives its blocks back, zero_range keeps them.
int64_t punch_hole(Fd file, uint64_t offset, uint64_t size);
int64_t zero_range(Fd file, uint64_t offset, uint64_t size);

// Fills `extents` from the front, as Loop::extents says, and returns how many it filled.
int64_t find_extents(Fd file, uint64_t offset, uint64_t size, std::span<Extent> extents);

}  // namespace blockd::io
