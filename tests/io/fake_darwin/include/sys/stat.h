// See ../fcntl.h. The struct's layout is not macOS's; the names and the modes are.
#pragma once

#include <sys/types.h>

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFDIR 0040000
#define S_IFBLK 0060000
#define S_IFREG 0100000

#define S_ISDIR(mode) (((mode)&S_IFMT) == S_IFDIR)
#define S_ISBLK(mode) (((mode)&S_IFMT) == S_IFBLK)
#define S_ISREG(mode) (((mode)&S_IFMT) == S_IFREG)

struct stat {
    dev_t st_dev;
    ino_t st_ino;
    mode_t st_mode;
    off_t st_size;
};

int stat(const char* path, struct stat* status) __asm__("fake_darwin_stat");
int fstat(int fd, struct stat* status) __asm__("fake_darwin_fstat");
int lstat(const char* path, struct stat* status) __asm__("fake_darwin_lstat");
