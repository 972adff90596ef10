#include <blockd/io/data_file.h>

#include "io/data_file_opening.h"
#include "io/file.h"
#include "io/os_error.h"

#include <utility>

namespace blockd::io {

std::variant<DataFile, DataFileFailure> open_data_file(const DataFileOptions& options) {
    return DataFileOpening(options).run();
}

Result<Ok> fs_sync(const DataFile& file) {
    ASSERT(file.fd != Fd::none);
    const int64_t result = sync_file(file.fd, file.durability);
    if (result < 0) {
        return error_from_errno(static_cast<int32_t>(-result), "sync data file");
    }
    return Ok{};
}

void close_data_file(DataFile& file) {
    ASSERT(file.fd != Fd::none);
    if (!file.is_read_only) {
        (void)sync_file(file.fd, file.durability);
    }
    (void)unlock_file(file.fd);
    (void)close_file(std::exchange(file.fd, Fd::none));
}

}  // namespace blockd::io
