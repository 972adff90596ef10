// A loop's way to the disks: what the requests of its clients use there.
//
// A disk serves several loops at a time. A request stays on the loop that it came from: that loop
// has its memory, makes its transfers and is called back. What loops share of a disk (RangeLocks,
// FlushGroup, BlockCache, ReadAhead) may be used by any thread, and a request that waited there for
// another loop's learns through its own loop's mailbox that it may go on.
#pragma once

#include <blockd/io/loop.h>

#include "io/mailbox.h"
#include "storage/buffer_pool.h"
#include "storage/disk_scheduler.h"

namespace blockd::storage {

struct DiskLane {
    io::Loop& loop;
    io::Mailbox& mailbox;
    DiskScheduler& scheduler;
    BufferPool& buffers;
};

}  // namespace blockd::storage
