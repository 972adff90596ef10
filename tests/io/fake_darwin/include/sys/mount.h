// See ../fcntl.h. The struct's layout is not macOS's; the names and types are.
#pragma once

#include <sys/types.h>

#include <stdint.h>

struct statfs {
    uint32_t f_bsize;
    int32_t f_iosize;
    uint64_t f_blocks;
    uint64_t f_bfree;
    uint64_t f_bavail;
};

int fstatfs(int fd, struct statfs* status) __asm__("fake_darwin_fstatfs");
