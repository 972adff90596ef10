// See ../fcntl.h. On macOS <sys/mount.h> needs it.
#pragma once
