"""The guest's kernel and its initrd: busybox, the programs it drives, their libraries, modules."""

import lzma
import os
import pathlib
import re
import stat
import subprocess

from packages import Unavailable

PROGRAMS = ("mkfs.ext4", "e2fsck", "mkfs.xfs", "xfs_repair", "nbd-client")

# Their dependencies are found; crc32c_generic is what ext4 and XFS ask the kernel for by name.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "nbd", "crc32c_generic", "ext4", "xfs")

LIBRARY_FOLDER = "lib/x86_64-linux-gnu"
LOADER = "lib64/ld-linux-x86-64.so.2"


def build(root, folder):
    """Writes folder/initrd out of the unpacked packages; returns (kernel, initrd)."""
    kernels = sorted(root.glob("boot/vmlinuz-*"))
    if not kernels:
        raise Unavailable(f"there is no kernel in {root}: remove it, and it is made anew")
    archive = Archive()
    for name in ("bin", "dev", "lib", "lib64", LIBRARY_FOLDER, "mnt", "modules", "proc",
                 "programs", "run", "sys"):
        archive.add_folder(name)
    archive.add_file("init", pathlib.Path(__file__).with_name("init").read_bytes(), 0o755)
    archive.add_file("bin/busybox", _program(root, "busybox").read_bytes(), 0o755)
    archive.add_link("bin/sh", "busybox")
    libraries = set()
    for name in PROGRAMS:
        program = _program(root, name)
        archive.add_file(f"programs/{name}", program.read_bytes(), 0o755)
        libraries |= _libraries(root, program)
    for library in sorted(libraries):
        archive.add_file(f"{LIBRARY_FOLDER}/{library.name}", library.read_bytes(), 0o755)
    archive.add_file(LOADER, _loader(root).read_bytes(), 0o755)
    _add_modules(archive, root, kernels[-1].name.removeprefix("vmlinuz-"))
    initrd = pathlib.Path(folder) / "initrd"
    unfinished = initrd.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(archive.bytes())
    os.rename(unfinished, initrd)
    return kernels[-1], initrd


class Archive:
    """A cpio archive of the kind that the kernel unpacks: newc, in memory."""

    def __init__(self):
        self.data = bytearray()
        self.count = 0

    def add_folder(self, name):
        self._add(name, b"", stat.S_IFDIR | 0o755)

    def add_file(self, name, content, mode):
        self._add(name, content, stat.S_IFREG | mode)

    def add_link(self, name, target):
        self._add(name, target.encode(), stat.S_IFLNK | 0o777)

    def bytes(self):
        self._add("TRAILER!!!", b"", 0)
        return bytes(self.data)

    def _add(self, name, content, mode):
        self.count += 1
        encoded = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name, checksum
        fields = (self.count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._align()
        self.data += content
        self._align()

    def _align(self):
        self.data += bytes(-len(self.data) % 4)


def _program(root, name):
    for folder in ("sbin", "usr/sbin", "bin", "usr/bin"):
        path = root / folder / name
        if path.is_file():
            return path
    raise Unavailable(f"no package brought {name}")


def _loader(root):
    for path in root.rglob(pathlib.Path(LOADER).name):
        return path
    raise Unavailable("no package brought the dynamic loader")


def _libraries(root, program):
    """The shared libraries of a program, as the guest's own loader finds them in the packages."""
    path = ":".join(str(root / prefix / LIBRARY_FOLDER) for prefix in ("", "usr"))
    result = subprocess.run([_loader(root), "--library-path", path, "--list", program],
                            capture_output=True, text=True, check=False)
    if result.returncode != 0 or "not found" in result.stdout:
        raise Unavailable(f"{program.name} lacks a library: {result.stdout}{result.stderr}")
    found = re.findall(r"=> (\S+) \(", result.stdout)
    return {pathlib.Path(name) for name in found if name.startswith(str(root))}


def _add_modules(archive, root, version):
    paths = {}
    for path in root.rglob(f"lib/modules/{version}/kernel/**/*.ko*"):
        paths[path.name.split(".")[0].replace("-", "_")] = path
    order = []

    def add(name):
        if name in order:
            return
        if name not in paths:
            raise Unavailable(f"the kernel has no module {name}")
        content = paths[name].read_bytes()
        if paths[name].suffix == ".xz":
            content = lzma.decompress(content)
        depends = re.search(rb"\0depends=([^\0]*)\0", content)
        for needed in filter(None, depends.group(1).decode().split(",") if depends else ()):
            add(needed.replace("-", "_"))
        order.append(name)
        archive.add_file(f"modules/{name}.ko", content, 0o644)

    for name in MODULES:
        add(name)
    archive.add_file("modules/order", "".join(f"{name}\n" for name in order).encode(), 0o644)
