// The loop that a command runs on: on the backend that blockd takes by itself, io_uring where it is
// there and allowed, else kqueue.
//
// Local files lie in the page cache, from which io_uring would copy on the loop's thread, while the
// other processors wait. So disk workers read and write them on either backend (measured, 2 cores:
// a copy of 2 GiB into an export takes 1.0 s this way, 1.3 s the other).
#pragma once

#include <blockd/io/loop.h>

#include <memory>

namespace blockd::blockctl {

// Threads that read and write local files during a copy. On ext4 fewer than 4 leave a copy into a
// file waiting (measured: 1.8 s with 4, 2.3 s with 2, for 2 GiB); more only fight for the inode.
inline constexpr uint32_t disk_workers = 4;

// Null, after a complaint, when the system has no room for one. A command that touches no
// local file needs but one thread for disks.
std::unique_ptr<io::Loop> make_loop(uint32_t disk_worker_count);

}  // namespace blockd::blockctl
