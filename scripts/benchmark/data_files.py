"""The files that are served. Those that go through the page cache have one of their own: direct IO
on a file whose pages are cached costs more than it should."""
import os
import shutil

BLOCK = 4 << 20


class NoRoom(Exception):
    """The folder cannot take the files, or is not on a disk."""


class DataFiles:
    def __init__(self, folder, size):
        self.size = size
        self.paths = {True: folder / "cached.img", False: folder / "direct.img"}

    def path(self, server):
        return self.paths[server.uses_page_cache]

    def make(self, servers):
        """Those files that these servers need, every byte written, none of it zero on purpose."""
        wanted = [self.paths[kind] for kind in sorted({one.uses_page_cache for one in servers})]
        folder = wanted[0].parent.parent  # As the user knows it: theirs lies in it for the while.
        free = shutil.disk_usage(folder).free
        needed = len(wanted) * self.size + (64 << 20)
        if free < needed:
            raise NoRoom(f"{folder} has {free >> 20} MiB free, and {needed >> 20} MiB are needed:"
                         " choose a smaller --size or another --folder")
        for path in wanted:
            fill(path, self.size)
        if self.paths[False] in wanted:
            require_direct_io(self.paths[False])

    def settle(self, server):
        """Afterwards nothing that an earlier server wrote is still to be written, and the file of a
        server that uses the page cache is in it."""
        path = self.path(server)
        with open(path, "rb", buffering=0) as file:
            os.fsync(file.fileno())
            if server.uses_page_cache:
                buffer = bytearray(BLOCK)
                while file.readinto(buffer):
                    pass


def fill(path, size):
    with open(path, "wb") as file:
        for begin in range(0, size, BLOCK):
            file.write(os.urandom(min(BLOCK, size - begin)))
        file.flush()
        os.fsync(file.fileno())


def require_direct_io(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        raise NoRoom(f"{path.parent.parent} has no direct IO ({error.strerror}):"
                     " choose a --folder on a disk") from error
