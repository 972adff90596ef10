// See fcntl.h beside this file.
#pragma once

#include <sys/types.h>

// What Linux's libstdc++ takes from <unistd.h> for its own threads.
#define _POSIX_TIMEOUTS 200809L
extern "C" long syscall(long number, ...) noexcept;

int close(int fd) __asm__("fake_darwin_close");
int link(const char* path, const char* new_path) __asm__("fake_darwin_link");
int unlink(const char* path) __asm__("fake_darwin_unlink");
int ftruncate(int fd, off_t size) __asm__("fake_darwin_ftruncate");
int fsync(int fd) __asm__("fake_darwin_fsync");
ssize_t pread(int fd, void* buffer, size_t size, off_t offset) __asm__("fake_darwin_pread");
ssize_t pwrite(int fd, const void* buffer, size_t size, off_t offset) __asm__("fake_darwin_pwrite");
uid_t geteuid() __asm__("fake_darwin_geteuid");
