#include <blockd/io/data_file.h>

#include "io/data_file_opening.h"
#include "io/file.h"
#include "io/os_error.h"

#include <utility>

namespace blockd::io {

std::variant<DataFile, DataFileFailure> open_data_file(const DataFileOptions& options) {
    return DataFileOpening(options).run();
}

std::string making_path_of(const std::string& path) {
    constexpr size_t name_size_max = 200;  // A name may have 255 bytes.
    const size_t slash = path.rfind('/');
    const size_t begin = slash == std::string::npos ? 0 : slash + 1;
    return path.substr(0, begin) + "." + path.substr(begin, name_size_max) + ".making";
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
