#!/usr/bin/env python3
"""Copies sources, with marks and mutants put in: what ships stays free of them.

    instrument.py EDITS ROOT OUTPUT...

EDITS says which lines of which file become which others:

    @ src/storage/flush_group.cc
    <<<<
    lines that the file has exactly once
    ====
    the lines that take their place
    >>>>

MARK(name) counts that a path was taken; ACTIVE(name) is true while the mutant `name` is switched on
(see probe.h). The names of the OUTPUTs are those of the files; a file that EDITS does not name is
copied. Lines that are not there exactly once, and a file that has no OUTPUT, are errors: whoever
changes a place that a mutant bends decides what becomes of the mutant.
"""
import pathlib
import re
import sys


def fail(text):
    sys.exit(f"instrument.py: {text}")


def read_edits(path):
    """{file: [(line number, old, new)]}"""
    edits, file, old, new, part = {}, None, [], [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark = line if line in ("<<<<", "====", ">>>>") else None
        if part is None and line.startswith("@ "):
            file = line[2:]
            edits[file] = []
        elif part is None and mark == "<<<<" and file:
            old, new, part = [], [], "old"
        elif part == "old" and mark == "====":
            part = "new"
        elif part == "new" and mark == ">>>>":
            edits[file].append((number, "\n".join(old) + "\n", "\n".join(new) + "\n"))
            part = None
        elif part and not mark:
            (old if part == "old" else new).append(line)
        elif line or part:
            fail(f"{path}:{number}: not expected here: {line!r}")
    if part:
        fail(f"{path}: the last edit has no end")
    return edits


def instrumented(text, edits, where):
    for number, old, new in edits:
        count = text.count(old)
        if count != 1:
            fail(f"{where}:{number}: the lines are there {count} times")
        text = text.replace(old, new)
    text = re.sub(r"\bMARK\((\w+)\)", r"probe::mark(probe::Mark::\1)", text)
    text = re.sub(r"\bACTIVE\((\w+)\)", r"probe::is_active(probe::Mutant::\1)", text)
    return '#include "probes/probe.h"\n' + text


def main():
    edits_path, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    outputs = {pathlib.Path(path).name: pathlib.Path(path) for path in sys.argv[3:]}
    edits = read_edits(edits_path)
    layer = root / "src" / edits_path.stem
    missing = [file for file in edits if pathlib.Path(file).name not in outputs]
    if missing:
        fail(f"{edits_path}: not built: {', '.join(missing)}")
    for name, output in outputs.items():
        source = f"src/{edits_path.stem}/{name}"
        text = (layer / name).read_text()
        output.write_text(instrumented(text, edits.get(source, []), edits_path))


main()
