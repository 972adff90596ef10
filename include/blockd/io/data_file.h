// The data file of an export: a raw image, opened for direct IO, owned by one process at a time.
#pragma once

#include <blockd/error.h>
#include <blockd/io/completion.h>

#include <cstdint>
#include <string>

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

struct DataFileOptions {
    std::string path;
    DataFilePurpose purpose = DataFilePurpose::open;
    uint64_t size = 0;            // Bytes; 0 with `open` or `inspect` takes the file's own size.
    bool is_read_only = false;
    bool allow_weak_sync = false;
    bool preallocate = true;      // format: reserve every block, all or nothing.
    bool direct = true;           // false: through the page cache.
};

struct DataFile {
    Fd fd = Fd::none;
    uint64_t size = 0;       // Bytes that the file holds.
    uint32_t alignment = 1;  // Offsets, sizes and buffers of reads and writes; a power of two.
    uint32_t hole_alignment = 1;  // Offsets and sizes of punch_hole and zero_range.
    Caching caching = Caching::cached;
    Durability durability = Durability::full;
    bool can_punch_hole = false;
    bool can_zero_range = false;
    bool can_report_extents = false;
    bool is_read_only = false;
    bool is_owned_elsewhere = false;  // inspect: another process holds the lock.
};

// What went wrong, for the operator: "cannot open /x/disk.img: it is 512 bytes long, 1024 are
// configured". The Error carries the code.
struct DataFileFailure {
    Error error;
    std::string message;
};

// Opens or makes a data file. Blocks; for start-up, before a loop serves. On failure nothing is
// left behind: a file that was being made is removed.
//
// Codes: exists, not_found, permission, busy (another process owns it), too_large (the file is
// smaller than `size`), no_space, not_supported (no full sync and no `allow_weak_sync`), disk.
std::variant<DataFile, DataFileFailure> open_data_file(const DataFileOptions& options);

// Makes the file's bytes and size durable: F_FULLFSYNC (macOS), fdatasync (Linux). Blocks.
Result<Ok> fs_sync(const DataFile& file);

// Syncs, unlocks and closes. Blocks.
void close_data_file(DataFile& file);

}  // namespace blockd::io
