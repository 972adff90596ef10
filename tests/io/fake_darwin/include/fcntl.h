// macOS's <fcntl.h> as far as blockd uses it, for compiling its macOS files on Linux. Values and
// layouts are macOS's. Each function's symbol is the fake's, so that nothing reaches the system.
#pragma once

#include <sys/types.h>

#define O_RDONLY 0x0000
#define O_WRONLY 0x0001
#define O_RDWR 0x0002
#define O_NONBLOCK 0x0004
#define O_NOFOLLOW 0x0100
#define O_CREAT 0x0200
#define O_EXCL 0x0800
#define O_DIRECTORY 0x00100000
#define O_CLOEXEC 0x01000000

#define AT_FDCWD (-2)

#define F_PREALLOCATE 42
#define F_RDAHEAD 45
#define F_NOCACHE 48
#define F_FULLFSYNC 51
#define F_PUNCHHOLE 99

#define F_ALLOCATECONTIG 0x00000002
#define F_ALLOCATEALL 0x00000004
#define F_PEOFPOSMODE 3

typedef struct fstore {
    unsigned int fst_flags;
    int fst_posmode;
    off_t fst_offset;
    off_t fst_length;
    off_t fst_bytesalloc;
} fstore_t;

typedef struct fpunchhole {
    unsigned int fp_flags;
    unsigned int reserved;
    off_t fp_offset;
    off_t fp_length;
} fpunchhole_t;

int open(const char* path, int flags, ...) __asm__("fake_darwin_open");
int openat(int directory, const char* path, int flags, ...) __asm__("fake_darwin_openat");
int fcntl(int fd, int command, ...) __asm__("fake_darwin_fcntl");
