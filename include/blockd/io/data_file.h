// The data file of an export: a raw image, opened for direct IO, owned by one process at a time.
#pragma once

#include <blockd/error.h>
#include <blockd/io/completion.h>

#include <cstdint>
#include <string>
#include <variant>

namespace blockd::io {

enum class DataFilePurpose : uint8_t {
    format,   // Create it with `size` bytes; an existing file is Error{exists}.
    open,     // Own an existing one, at least `size` bytes long.
    inspect,  // Read it, even beside an owner.
};

enum class Caching : uint8_t {
    direct,    // O_DIRECT: the page cache is bypassed.
    uncached,  // F_NOCACHE (macOS): a hint; small and unaligned writes pass through the cache.
    cached,    // The file system or the file's size allows neither.
};

// What storage can work with. A file system that wants more is used through its cache, and without
// punching or zeroing.
inline constexpr uint32_t data_file_alignment_max = 4096;
inline constexpr uint32_t data_file_hole_alignment_max = 1 << 20;

struct DataFileOptions {
    std::string path;  // Of a regular file, or a symbolic link to one (`format`: not a link).
    DataFilePurpose purpose = DataFilePurpose::open;
    uint64_t size = 0;             // Bytes; 0 with `open` or `inspect` takes the file's own size.
    bool is_read_only = false;     // open: nothing is written, and other readers may join.
    bool allow_weak_sync = false;  // Accept Durability::weak where there is nothing better.
    bool preallocate = true;       // format: reserve every block, all or nothing.
    bool direct = true;            // false: through the page cache.
};

struct DataFile {
    Fd fd = Fd::none;
    uint64_t size = 0;            // Bytes to serve: those asked for, or all that the file holds.
    uint32_t alignment = 1;       // Offsets, sizes and buffers of reads and writes; a power of two.
    uint32_t hole_alignment = 1;  // Offsets and sizes of punch_hole and zero_range; likewise.
    Caching caching = Caching::cached;
    Durability durability = Durability::full;
    bool can_punch_hole = false;
    bool can_zero_range = false;
    bool can_report_extents = false;
    bool is_read_only = false;
    bool is_name_synced = true;       // false: `open` may not, or cannot, sync the directory.
    bool is_owned_elsewhere = false;  // inspect: an owner may be writing to it.
};

// What went wrong, for the operator: "cannot open /x/disk.img: it is 512 bytes long, 1024 are
// configured; ...". The Error carries the code.
struct DataFileFailure {
    Error error;
    std::string message;
};

// Opens or makes a data file. Blocks; for start-up, before a loop serves. On failure nothing is
// left behind: a file that was being made is removed.
//
// `format` makes "disk.img" as ".disk.img.making" beside it. It gets its own name, which must be
// free, when it is complete and durable. What a process that was killed left, the next one removes.
//
// Locks: a writer owns the file alone; read-only owners share it and keep a writer out. `inspect`
// holds no lock and never keeps an owner out. A lock that is held is tried again for a tenth of a
// second, in case its holder is about to leave.
//
// Syncs: everything in the file is durable when it is opened, so that nothing is served that a
// power cut could take back; so is its name, for a writer. Whether F_FULLFSYNC works is found out
// here, once. A file that is only read needs no `allow_weak_sync`. `inspect` syncs nothing.
//
// Codes: exists, not_found, permission, busy (another process owns it, or makes it just now),
// too_large (the file is smaller than `size`), no_space, not_supported (no full sync and no
// `allow_weak_sync`; no preallocation; no locks), invalid (not a regular file, or a size of 0),
// disk.
std::variant<DataFile, DataFileFailure> open_data_file(const DataFileOptions& options);

// Where `format` makes the file of this path. One for each name, so that a start finds what a
// killed one left behind.
std::string making_path_of(const std::string& path);

// Makes the file's bytes and size durable: F_FULLFSYNC (macOS), fdatasync (Linux). Blocks.
Result<Ok> fs_sync(const DataFile& file);

// Syncs, unlocks and closes. Blocks. Who must know that the last writes are durable calls fs_sync
// before: this one cannot say.
void close_data_file(DataFile& file);

}  // namespace blockd::io
