// One operation on a file, done at once: what a disk worker runs. Blocks; any thread.
//
// What differs between platforms stands behind io/file.h.
#pragma once

#include <blockd/io/completion.h>

#include <cstdint>

namespace blockd::io {

// Performs a read, write, sync, punch_hole, zero_range, extents, open or close. Short transfers and
// EINTR are continued. Returns what Completion::result takes: a count or fd, or a negated errno.
// A read returns less than its size only at the end of the file.
int64_t perform_disk_operation(const Operation& operation);

}  // namespace blockd::io
