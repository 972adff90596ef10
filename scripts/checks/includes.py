#!/usr/bin/env python3
"""Who may include whom: the layers of ARCHITECTURE.md, system headers, third parties."""
import re
import sys

from project_files import report, root, sources, text_of

# What each layer of src/ sees of src/. Of include/blockd, the plain headers (error, endian, ...)
# are everybody's; the named parts are seen as listed in `contracts`.
layers = {
    "io": {"io"},
    "nbd": {"nbd"},
    "storage": {"io", "storage"},
    "server": {"io", "nbd", "storage", "server"},
    "daemon": {"io", "nbd", "storage", "server", "daemon"},
    "client": {"io", "nbd", "client"},
    "blockctl": {"io", "nbd", "client", "blockctl"},
}

# The part of include/blockd that a header belongs to; everything else there is plain.
contracts = {"io": "io/", "nbd": "nbd_", "client": "client/"}

# What each part of include/blockd sees of the other parts.
contract_layers = {"io": {"io"}, "nbd": {"nbd"}, "client": {"io", "nbd", "client"}, None: set()}

# Only these make system calls, and so see <unistd.h>, <sys/...> and the like.
system_layers = {"io", "daemon", "blockctl"}

# Protocol and storage tests own the clock, the network and the disk: they see no system either.
pure_tests = {"nbd", "storage"}

# The files that each third-party library is confined to: these, and no others.
third_parties = {
    "spdlog/": {"src/daemon/log.cc"},
    "fmt/": {"src/daemon/log.cc"},
    "nlohmann/": {"src/daemon/json_document.cc", "src/blockctl/json_output.cc"},
    "liburing": {"src/io/uring.h"},
    "boost/": {"src/daemon/options.cc", "src/blockctl/options.cc",
               "tests/simulation/options.cc"},
}
test_parties = ("gtest/", "gmock/", "benchmark/", "nlohmann/")

include_pattern = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
standard_pattern = re.compile(r"^[a-z_]+$")


def contract_of(header):
    """The part of include/blockd that <blockd/header> belongs to; None when plain."""
    for part, prefix in contracts.items():
        if header.startswith(prefix):
            return part
    return None


class Place:
    """Where a file stands, and what it may see from there."""

    def __init__(self, path):
        parts = path.parts
        self.is_test = parts[0] == "tests"
        self.layer = parts[1] if len(parts) > 2 else None
        if parts[0] == "include":
            self.layer = contract_of("/".join(parts[2:]))
            self.visible = contract_layers[self.layer]
            self.sees_system = False
        elif self.is_test:
            is_unit = self.layer in layers
            self.visible = set(layers[self.layer] if is_unit else layers)
            self.visible |= {self.layer, "support", "probes"}
            self.sees_system = self.layer not in pure_tests
        else:
            self.visible = layers.get(self.layer, set())
            self.sees_system = self.layer in system_layers


def judge(path, place, kind, header):
    """The complaint about one include, or None."""
    if header.startswith("blockd/"):
        part = contract_of(header.removeprefix("blockd/"))
        if kind == '"':
            return "public headers are included as <blockd/...>"
        if part and part not in place.visible:
            return f"{place.layer or 'a plain header'} must not see {part}"
        if not (root / "include" / header).is_file():
            return "no such header in include/"
        return None
    if kind == '"':
        return judge_own(place, header)
    for prefix, files in third_parties.items():
        if header.startswith(prefix):
            if place.is_test and header.startswith(test_parties):
                return None
            return None if str(path) in files else f"{prefix[:-1]} is confined to {sorted(files)}"
    if place.is_test and header.startswith(test_parties):
        return None
    # errno's names belong to the system layers, and to the tests' fakes of a backend.
    if standard_pattern.match(header) and (header != "cerrno" or place.is_test):
        return None
    if not place.sees_system:
        return f"{place.layer or 'a plain header'} must not see system headers"
    return None


def judge_own(place, header):
    layer = header.split("/")[0]
    if "/" not in header:
        return 'own headers are included by layer: "io/..."'
    if layer not in place.visible:
        return f"{place.layer or 'a plain header'} must not see {layer}"
    # Meson writes some headers from a template: version.h from version.h.in.
    places = [root / folder / (header + suffix) for folder in ("src", "tests")
              for suffix in ("", ".in")]
    return None if any(place.is_file() for place in places) else "no such header"


def main():
    complaints = []
    for path in sources():
        if path.parts[0] not in ("include", "src", "tests"):
            continue
        place = Place(path)
        if path.parts[0] == "src" and place.layer not in layers:
            complaints.append(f"{path}:1: src/{place.layer} is not a layer")
            continue
        text = text_of(path) or ""
        for match in include_pattern.finditer(text):
            complaint = judge(path, place, match.group(1), match.group(2))
            if complaint:
                line = text.count("\n", 0, match.start(1)) + 1
                complaints.append(f"{path}:{line}: includes {match.group(2)}: {complaint}")
    return report(complaints)


sys.exit(main())
