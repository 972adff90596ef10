#include "io/disk_operation.h"

#include "io/file.h"
#include "io/system_call.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace blockd::io {
namespace {

// One call moves no more: macOS refuses more than INT_MAX bytes (EINVAL), Linux moves 4 KiB less
// than 2 GiB. A power of two, so that what remains stays aligned.
constexpr uint64_t transfer_size_max = uint64_t{1} << 30;

int number(Fd file) { return static_cast<int>(file); }

bool is_at_end(Fd file, uint64_t offset) {
    FileFacts facts;
    return facts_of_file(file, facts) == 0 && offset >= facts.size;
}

int64_t read_fully(const Operation& operation) {
    uint64_t done = 0;
    while (done < operation.size) {
        const uint64_t offset = operation.offset + done;
        const size_t size = std::min(operation.size - done, transfer_size_max);
        const int64_t result = system_call([&] {
            return pread(number(operation.fd), operation.data + done, size,
                         static_cast<off_t>(offset));
        });
        // Behind a short direct read the offset is misaligned: at the end of the file the kernel
        // may say EINVAL where a cached read would say 0.
        if (result == 0 || (result == -EINVAL && done > 0 && is_at_end(operation.fd, offset))) {
            break;
        }
        if (result < 0) {
            return result;
        }
        done += static_cast<uint64_t>(result);
    }
    return static_cast<int64_t>(done);
}

int64_t write_fully(const Operation& operation) {
    uint64_t done = 0;
    while (done < operation.size) {
        const size_t size = std::min(operation.size - done, transfer_size_max);
        const int64_t result = system_call([&] {
            return pwrite(number(operation.fd), operation.data + done, size,
                          static_cast<off_t>(operation.offset + done));
        });
        if (result < 0) {
            return result;
        }
        if (result == 0) {  // No progress and no reason: another try would say the same for ever.
            return -EIO;
        }
        done += static_cast<uint64_t>(result);
    }
    return static_cast<int64_t>(done);
}

int64_t open_path(const Operation& operation) {
    const int directory = operation.fd == Fd::none ? AT_FDCWD : number(operation.fd);
    return system_call([&] {
        return openat(directory, operation.path, operation.open_flags | O_CLOEXEC,
                      operation.open_mode);
    });
}

}  // namespace

int64_t perform_disk_operation(const Operation& operation) {
    switch (operation.kind) {
        case OperationKind::read: return read_fully(operation);
        case OperationKind::write: return write_fully(operation);
        case OperationKind::sync: return sync_file(operation.fd, operation.durability);
        case OperationKind::punch_hole:
            return punch_hole(operation.fd, operation.offset, operation.size);
        case OperationKind::zero_range:
            return zero_range(operation.fd, operation.offset, operation.size);
        case OperationKind::extents:
            return find_extents(operation.fd, operation.offset, operation.size,
                                {operation.extents, operation.extents_max});
        case OperationKind::open: return open_path(operation);
        case OperationKind::close: return close_file(operation.fd);
        default: ASSERT(false);
    }
}

}  // namespace blockd::io
