// The part of file.h that only macOS does this way: F_NOCACHE, F_PREALLOCATE, F_FULLFSYNC,
// F_PUNCHHOLE, all of them fcntl(2), and renamex_np.
#include "io/file.h"

#include "io/system_call.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/stdio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace blockd::io {
namespace {

int number(Fd file) { return static_cast<int>(file); }

// Asks for `size` more bytes; returns how many were reserved.
int64_t reserve(Fd file, uint32_t flags, int64_t size) {
    // fcntl(2): F_PEOFPOSMODE allocates from the physical end of the file on and wants offset 0.
    // fst_length is what is to be added, not the final size. F_ALLOCATEALL: all or nothing.
    fstore_t store = {
        .fst_flags = flags | F_ALLOCATEALL,
        .fst_posmode = F_PEOFPOSMODE,
        .fst_offset = 0,
        .fst_length = static_cast<off_t>(size),
        .fst_bytesalloc = 0,
    };
    const int64_t result = system_call([&] { return fcntl(number(file), F_PREALLOCATE, &store); });
    return result < 0 ? result : store.fst_bytesalloc;
}

}  // namespace

// rename(2): RENAME_EXCL gives EEXIST if the destination exists, on file systems that have
// VOL_CAP_INT_RENAME_EXCL (HFS+, APFS); the others answer ENOTSUP. macOS 10.12 and newer.
int64_t rename_without_replacing(const std::string& path, const std::string& new_path) {
    const int64_t result =
        system_call([&] { return renamex_np(path.c_str(), new_path.c_str(), RENAME_EXCL); });
    return result == -ENOTSUP ? link_and_remove(path, new_path) : result;
}

int64_t preallocate_file(Fd file, uint64_t size) {
    // A fragmented volume refuses one run; it is only a wish. Some systems answer a part for all:
    // what is still missing is asked for again, in any number of runs.
    const int64_t wanted = static_cast<int64_t>(size);
    const int64_t contiguous = reserve(file, F_ALLOCATECONTIG, wanted);
    if (contiguous >= wanted) {
        return 0;
    }
    const int64_t missing = wanted - std::max<int64_t>(contiguous, 0);
    const int64_t scattered = reserve(file, 0, missing);
    if (scattered < 0) {
        return scattered;
    }
    return scattered >= missing ? 0 : -ENOSPC;
}

// fstatfs(2), not statvfs(3), which counts blocks in 32 bits on macOS.
int64_t free_space(Fd file) {
    struct statfs status = {};
    const int64_t result = system_call([&] { return fstatfs(number(file), &status); });
    return result < 0 ? result : static_cast<int64_t>(status.f_bavail * status.f_bsize);
}

DirectIo start_direct_io(Fd file, uint64_t) {
    // fcntl(2): F_NOCACHE turns data caching off for this open file. It is a hint: the kernel
    // sends writes under 16 KiB and misaligned ones through the cache and reports no error, so
    // every alignment works and none proves anything.
    if (system_call([&] { return fcntl(number(file), F_NOCACHE, 1); }) < 0) {
        return {.caching = Caching::cached, .alignment = 1};
    }
    // fcntl(2): F_RDAHEAD 0 turns read-ahead off; clients read at random. Losing that is no harm.
    (void)system_call([&] { return fcntl(number(file), F_RDAHEAD, 0); });
    return {.caching = Caching::uncached, .alignment = 1};
}

HoleAbilities find_hole_abilities(Fd file, uint64_t, FileAccess access) {
    // No extents: APFS has reported holes where data is. No zero_range: there is no such call.
    HoleAbilities abilities;
    struct statfs status = {};
    if (access == FileAccess::read ||
        system_call([&] { return fstatfs(number(file), &status); }) < 0 ||
        !is_hole_alignment(status.f_bsize)) {
        return abilities;
    }
    // fcntl(2): F_PUNCHHOLE wants offset and length in multiples of the file system's block. An
    // empty hole asks whether the file system knows them at all.
    abilities.alignment = status.f_bsize;
    abilities.can_punch_hole = punch_hole(file, 0, 0) == 0;
    return abilities;
}

// fcntl(2): fsync hands the data to the drive, which may keep it in its cache and reorder it;
// F_FULLFSYNC also empties that cache. What F_FULLFSYNC answers is final here: whether fsync may
// stand in is decided once, when the file is opened.
int64_t sync_file(Fd file, Durability durability) {
    switch (durability) {
        case Durability::full: return system_call([&] { return fcntl(number(file), F_FULLFSYNC); });
        case Durability::weak: return system_call([&] { return fsync(number(file)); });
        case Durability::none: return 0;
    }
    ASSERT(false);
}

// SMB and NTFS answer ENOTSUP, ZFS ENOTTY, WebDAV EINVAL. EIO and all others are failures of a
// sync that the file system does know.
bool is_full_sync_unknown(int64_t result) {
    switch (-result) {
        case ENOTSUP:
        case ENOTTY:
        case EINVAL: return true;
        default: return false;
    }
}

int64_t punch_hole(Fd file, uint64_t offset, uint64_t size) {
    fpunchhole_t hole = {
        .fp_flags = 0,
        .reserved = 0,
        .fp_offset = static_cast<off_t>(offset),
        .fp_length = static_cast<off_t>(size),
    };
    return system_call([&] { return fcntl(number(file), F_PUNCHHOLE, &hole); });
}

int64_t zero_range(Fd, uint64_t, uint64_t) { return -ENOTSUP; }

int64_t find_extents(Fd, uint64_t, uint64_t size, std::span<Extent> extents) {
    ASSERT(size > 0 && !extents.empty());
    extents[0] = {.size = size, .is_hole = false};
    return 1;
}

}  // namespace blockd::io
