// See ../fcntl.h. On macOS <stdio.h> brings it.
#pragma once

#define RENAME_EXCL 0x00000004

int renamex_np(const char* path, const char* new_path,
               unsigned int flags) __asm__("fake_darwin_renamex_np");
