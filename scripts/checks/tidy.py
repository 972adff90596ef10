#!/usr/bin/env python3
"""clang-tidy over every source that the build folder compiles, as fast as may be.

    tidy.py BUILD CLANG_TIDY

A file whose text, includes, flags and rules are those of an earlier clean run is not judged again:
the clean ones leave a stamp named by a digest of all that in BUILD/tidy.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

from project_files import project_files, root

include_pattern = re.compile(rb'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
finding_pattern = re.compile(r"^(?P<path>/[^:\n]+):(?P<rest>\d+:\d+: (?:warning|error): .*)$", re.M)
include_folders = ("include", "src", "tests", "src/io/kqueue_emulation/include")


class Digests:
    """Of a source and of all of this project that it includes."""

    def __init__(self, salt):
        self.salt = salt
        self.closures = {}

    def included(self, path):
        for name in include_pattern.findall((root / path).read_bytes()):
            for folder in include_folders:
                candidate = pathlib.Path(folder, name.decode())
                if (root / candidate).is_file():
                    yield candidate
                    break

    def closure(self, path):
        seen, waiting = set(), [path]
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                if here not in self.closures:
                    self.closures[here] = list(self.included(here))
                waiting += self.closures[here]
        return sorted(seen)

    def of(self, path, command):
        digest = hashlib.sha256(self.salt + command.encode())
        for part in self.closure(path):
            digest.update(str(part).encode() + b"\0" + (root / part).read_bytes() + b"\0")
        return digest.hexdigest()


def compiled_sources(build):
    """The project's sources that the build compiles, each with its command; largest first."""
    known = {str(path) for path in project_files()}
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        name = os.path.relpath(path, root)
        if name in known:
            commands.setdefault(name, entry["command"])
    return sorted(commands.items(), key=lambda item: -(root / item[0]).stat().st_size)


def judge(tidy, build, name):
    """clang-tidy's findings of one source, one line each."""
    run = subprocess.run(
        [tidy, "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option", name],
        cwd=root, capture_output=True, text=True)
    lines = {f"{os.path.relpath(m['path'], root)}:{m['rest']}"
             for m in finding_pattern.finditer(run.stdout)}
    if run.returncode and not lines:
        lines.add(f"{name}:1: clang-tidy: {(run.stdout + run.stderr).strip()[-500:]}")
    return lines


def main():
    build, tidy = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    version = subprocess.run([tidy, "--version"], check=True, capture_output=True).stdout
    rules = [path for path in project_files() if path.name == ".clang-tidy"]
    digests = Digests(version + b"".join((root / path).read_bytes() for path in rules))
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)

    waiting = {}
    for name, command in compiled_sources(build):
        stamp = stamps / digests.of(pathlib.Path(name), command)
        if not stamp.exists():
            waiting[name] = stamp

    findings = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(judge, tidy, build, name): name for name in waiting}
        for future in concurrent.futures.as_completed(running):
            lines = future.result()
            findings |= lines
            if not lines:
                waiting[running[future]].touch()
    for line in sorted(findings):
        print(line)
    return 1 if findings else 0


sys.exit(main())
