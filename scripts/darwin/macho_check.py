#!/usr/bin/env python3
"""What Linux can prove of a Mach-O executable, a line per file.

    macho_check.py ARCH MINIMUM_MACOS LIBSYSTEM_TBD BINARY...

The processor and the minimum macOS are the ones asked for; libSystem is the only library; it has
each undefined symbol, in the macOS whose text stub is given; an arm64 file carries an ad-hoc
signature whose page digests are right (Apple silicon kills a process without one).
"""
import hashlib
import os
import re
import struct
import sys

cpu_types = {"aarch64": 0x0100000C, "x86_64": 0x01000007}
stub_names = {"aarch64": "arm64-macos", "x86_64": "x86_64-macos"}

magic_64 = 0xFEEDFACF
command_symbol_table = 0x2
command_code_signature = 0x1D
command_build_version = 0x32
commands_dylib = (0xC, 0x80000018, 0x8000001F)  # Load, weak, re-export.
super_blob_magic = 0xFADE0CC0
code_directory_slot = 0
signature_is_ad_hoc = 0x2

libsystem = "/usr/lib/libSystem.B.dylib"


class Fault(Exception):
    """What is wrong with a file, in words."""


def stub_exports(path, target):
    """The symbols that a text stub, and the libraries it re-exports, give to a target."""
    text = open(path, encoding="utf-8").read()
    entry = re.compile(r"- targets:\s*\[(.*?)\]\s*\n(.*?)(?=\n\s*- targets:|\n---|\n\w|\Z)", re.S)
    lists = re.compile(r"(?:symbols|weak-symbols|thread-local-symbols):\s*\[(.*?)\]", re.S)
    exports = set()
    for match in entry.finditer(text):
        if target in match.group(1):
            for symbols in lists.findall(match.group(2)):
                exports.update(name.strip().strip("'\"") for name in symbols.split(","))
    return exports


def text_at(data, offset):
    return data[offset:data.index(b"\0", offset)].decode()


class MachO:
    def __init__(self, path):
        self.data = open(path, "rb").read()
        self.dylibs, self.undefined = [], set()
        self.minimum, self.signature_offset = None, None
        magic, self.cpu_type, _, _, command_count = struct.unpack_from("<5I", self.data)
        if magic != magic_64:
            raise Fault("not a 64-bit Mach-O")
        offset = 32
        for _ in range(command_count):
            command, size = struct.unpack_from("<2I", self.data, offset)
            self.read_command(command, offset)
            offset += size

    def read_command(self, command, offset):
        if command == command_build_version:
            packed = struct.unpack_from("<I", self.data, offset + 12)[0]
            self.minimum = f"{packed >> 16}.{packed >> 8 & 255}"
        elif command in commands_dylib:
            name = struct.unpack_from("<I", self.data, offset + 8)[0]
            self.dylibs.append(text_at(self.data, offset + name))
        elif command == command_symbol_table:
            self.read_symbols(*struct.unpack_from("<3I", self.data, offset + 8))
        elif command == command_code_signature:
            self.signature_offset = struct.unpack_from("<I", self.data, offset + 8)[0]

    def read_symbols(self, table, count, strings):
        for index in range(count):
            name, kind = struct.unpack_from("<IB", self.data, table + 16 * index)
            is_debugging, is_external, is_defined = kind & 0xE0, kind & 1, kind & 0x0E
            if is_external and not is_debugging and not is_defined:
                self.undefined.add(text_at(self.data, strings + name))

    def code_directory(self):
        """The offset of the signature's code directory."""
        if self.signature_offset is None:
            raise Fault("not signed")
        magic, _, count = struct.unpack_from(">3I", self.data, self.signature_offset)
        if magic != super_blob_magic:
            raise Fault("the signature is damaged")
        for index in range(count):
            at = self.signature_offset + 12 + 8 * index
            slot, offset = struct.unpack_from(">2I", self.data, at)
            if slot == code_directory_slot:
                return self.signature_offset + offset
        raise Fault("the signature has no code directory")

    def check_signature(self):
        at = self.code_directory()
        flags, digests = struct.unpack_from(">2I", self.data, at + 12)
        page_count, limit = struct.unpack_from(">2I", self.data, at + 28)
        digest_size, page_size_log2 = self.data[at + 36], self.data[at + 39]
        if not flags & signature_is_ad_hoc:
            raise Fault("the signature is not ad hoc")
        if limit != self.signature_offset:
            raise Fault("the signature does not cover the file")
        page_size = 1 << page_size_log2
        for page in range(page_count):
            stored = at + digests + page * digest_size
            piece = self.data[page * page_size:min((page + 1) * page_size, limit)]
            actual = hashlib.sha256(piece).digest()[:digest_size]
            if actual != self.data[stored:stored + digest_size]:
                raise Fault(f"page {page} differs from what was signed")


def check(path, arch, minimum, exports):
    """The words that say what is right; Fault when something is not."""
    binary = MachO(path)
    if binary.cpu_type != cpu_types[arch]:
        raise Fault(f"for processor type {binary.cpu_type:#x}")
    if binary.minimum != minimum:
        raise Fault(f"for macOS {binary.minimum}, not {minimum}")
    if binary.dylibs != [libsystem]:
        raise Fault(f"wants {binary.dylibs}")
    missing = sorted(binary.undefined - exports)
    if missing:
        raise Fault(f"libSystem lacks {' '.join(missing)}")
    if arch == "aarch64":
        binary.check_signature()
    signed = ", signed" if binary.signature_offset is not None else ""
    return f"Mach-O, {len(binary.undefined)} imports, all in libSystem{signed}"


def main():
    arch, minimum, stub, *paths = sys.argv[1:]
    exports = stub_exports(stub, stub_names[arch])
    code = 0
    if not paths:
        print(f"{arch}: FAULT: no binary")
        code = 1
    for path in paths:
        try:
            words = check(path, arch, minimum, exports)
        except (Fault, struct.error, ValueError, IndexError) as fault:
            words, code = f"FAULT: {fault}", 1
        print(f"{arch} {os.path.basename(path)}: {words}")
    return code


sys.exit(main())
