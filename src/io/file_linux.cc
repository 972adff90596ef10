// The part of file.h that only Linux does this way: O_DIRECT, fallocate, SEEK_HOLE.
#include "io/file.h"

#include "io/system_call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <string>

namespace blockd::io {
namespace {

// Where the kernel does not tell: no disk sector and no page of x86-64 is larger.
constexpr uint32_t alignment_default = 4096;
constexpr uint64_t hole_alignment_max = 65536;
static_assert(is_direct_alignment(alignment_default, 0));
static_assert(is_hole_alignment(hole_alignment_max));

int number(Fd file) { return static_cast<int>(file); }

int64_t allocate(Fd file, int mode, uint64_t offset, uint64_t size) {
    return system_call([&] {
        return fallocate(number(file), mode, static_cast<off_t>(offset), static_cast<off_t>(size));
    });
}

// open(2): "statx(2) with STATX_DIOALIGN", Linux 6.1 and newer, on most file systems. 0: the file
// refuses direct IO.
uint32_t direct_io_alignment(Fd file) {
    struct statx status = {};
    const int result = statx(number(file), "", AT_EMPTY_PATH, STATX_DIOALIGN, &status);
    if (result != 0 || (status.stx_mask & STATX_DIOALIGN) == 0) {
        return alignment_default;
    }
    if (status.stx_dio_offset_align == 0) {
        return 0;
    }
    return std::max(status.stx_dio_offset_align, status.stx_dio_mem_align);
}

bool set_direct(Fd file) {
    const int64_t flags = system_call([&] { return fcntl(number(file), F_GETFL); });
    if (flags < 0) {
        return false;
    }
    // EINVAL: the file system has no direct IO.
    const int direct = static_cast<int>(flags) | O_DIRECT;
    return system_call([&] { return fcntl(number(file), F_SETFL, direct); }) == 0;
}

// The kernel takes any range, but zeroes the edges of one that cuts a block through the page
// cache, where a disk error shows no earlier than at the next sync.
uint32_t hole_alignment(Fd file) {
    struct statvfs status = {};
    if (fstatvfs(number(file), &status) != 0 || !std::has_single_bit(status.f_frsize) ||
        status.f_frsize > hole_alignment_max) {
        return alignment_default;
    }
    return static_cast<uint32_t>(status.f_frsize);
}

// Tries an operation on the block behind the end of the file, which holds no data. A full disk
// knows the operation too; only "not supported" counts as no.
bool can_allocate(Fd file, int mode, uint64_t file_size) {
    const uint64_t offset = (file_size / hole_alignment_max + 1) * hole_alignment_max;
    const int64_t result = allocate(file, mode, offset, alignment_default);
    return result == 0 || result == -ENOSPC || result == -EDQUOT;
}

// Where data begins or ends at or after `position`, and at most at `end`.
int64_t seek(Fd file, uint64_t position, int whence, uint64_t end) {
    const int64_t result =
        system_call([&] { return lseek(number(file), static_cast<off_t>(position), whence); });
    if (result == -ENXIO) {  // lseek(2): no data up to the end of the file.
        return static_cast<int64_t>(end);
    }
    return std::min(result, static_cast<int64_t>(end));
}

// What only root may use is root's to use.
uint64_t usable_blocks(const struct statvfs& status) {
    return geteuid() == 0 ? status.f_bfree : status.f_bavail;
}

}  // namespace

// rename(2): EINVAL, "the filesystem does not support one of the flags" (NFS, older FUSE).
int64_t rename_without_replacing(const std::string& path, const std::string& new_path) {
    const int64_t result = system_call([&] {
        return renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, new_path.c_str(), RENAME_NOREPLACE);
    });
    return result == -EINVAL ? link_and_remove(path, new_path) : result;
}

int64_t preallocate_file(Fd file, uint64_t size) {
    // ext4 takes every free block before it notices that they do not suffice, which would fail
    // everybody else's writes for a while.
    struct statvfs status = {};
    const bool is_known = fstatvfs(number(file), &status) == 0 && status.f_blocks != 0;
    if (is_known && size > usable_blocks(status) * status.f_frsize) {
        return -ENOSPC;
    }
    return allocate(file, 0, 0, size);
}

int64_t free_space(Fd file) {
    struct statvfs status = {};
    const int64_t result = system_call([&] { return fstatvfs(number(file), &status); });
    if (result < 0) {
        return result;
    }
    return static_cast<int64_t>(usable_blocks(status) * status.f_frsize);
}

DirectIo start_direct_io(Fd file, uint64_t size) {
    const uint32_t alignment = direct_io_alignment(file);
    if (!is_direct_alignment(alignment, size) || !set_direct(file)) {
        return {.caching = Caching::cached, .alignment = 1};
    }
    return {.caching = Caching::direct, .alignment = alignment};
}

HoleAbilities find_hole_abilities(Fd file, uint64_t size, FileAccess access) {
    HoleAbilities abilities = {.alignment = hole_alignment(file)};
    if (access != FileAccess::read) {
        // Behind the end a punch does nothing. A zeroing reserves one block there and leaves it:
        // to take it back would need ftruncate, which could cut off what a careless program is
        // appending. The next probe finds the same block.
        abilities.can_punch_hole =
            can_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, size);
        abilities.can_zero_range =
            can_allocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, size);
    }
    abilities.can_report_extents = seek(file, 0, SEEK_DATA, size) >= 0;
    return abilities;
}

// fdatasync(2) also flushes the metadata that finding the data needs: size and extents. Linux
// flushes the drive's cache with it, so there is nothing weaker to ask for.
int64_t sync_file(Fd file, Durability durability) {
    if (durability == Durability::none) {
        return 0;
    }
    return system_call([&] { return fdatasync(number(file)); });
}

bool is_full_sync_unknown(int64_t) { return false; }

int64_t punch_hole(Fd file, uint64_t offset, uint64_t size) {
    return allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

int64_t zero_range(Fd file, uint64_t offset, uint64_t size) {
    return allocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, size);
}

// Several workers may seek at a time: each call's answer stands by itself, and all other IO is
// positional.
int64_t find_extents(Fd file, uint64_t offset, uint64_t size, std::span<Extent> extents) {
    ASSERT(size > 0 && !extents.empty());
    const uint64_t end = offset + size;
    uint64_t position = offset;
    size_t count = 0;
    while (position < end && count < extents.size()) {
        const int64_t data = seek(file, position, SEEK_DATA, end);
        const bool is_hole = data > static_cast<int64_t>(position);
        int64_t next = is_hole || data < 0 ? data : seek(file, position, SEEK_HOLE, end);
        if (next < 0) {
            return next;
        }
        if (!is_hole && next <= static_cast<int64_t>(position)) {
            // A hole was punched here since the first seek. Data is always a true answer.
            next = static_cast<int64_t>(std::min(end, position + alignment_default));
        }
        extents[count++] = {.size = static_cast<uint64_t>(next) - position, .is_hole = is_hole};
        position = static_cast<uint64_t>(next);
    }
    return static_cast<int64_t>(count);
}

}  // namespace blockd::io
