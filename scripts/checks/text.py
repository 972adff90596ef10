#!/usr/bin/env python3
"""Sizes, names and words: what a file of this project may be called, hold and say."""
import re
import sys

from project_files import project_files, report, text_of

line_count_max = {".h": 200, ".cc": 500}
test_line_count_max = 70
column_max = 100

vague_names = {"manager", "util", "utils", "helper", "helpers", "common", "misc"}

# Spelled apart, so that this file does not complain about itself.
forbidden = [
    (re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b"),
     "unfinished work is an issue, not a comment"),
    (re.compile(r"(registry\.np" + r"mjs|deb\.deb" + r"ian\.org|archive\.ubu" + r"ntu|py" +
                r"pi\.org|cra" + r"tes\.io|proxy\.go" + r"lang)"),
     "names a package registry's host: use the ordinary clients"),
    (re.compile(r"(?<![\w.])/(work|root|home)/"), "names a path of one machine"),
]

# A reader's example may lie there; a program asks the system for its place.
temporary = re.compile(r"(?<![\w.])/tm" + r"p/")

# A macro leaks into every file; these cannot be functions, or stand for a system's own headers.
macro_files = {"include/blockd/assert.h"}
macro_folders = ("src/io/kqueue_emulation/include/", "tests/io/fake_darwin/include/")
macro_pattern = re.compile(r"^\s*#\s*define\s+(\w+)")
condition_pattern = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b(.*)")


def check_source(path, lines):
    if len(lines) > line_count_max[path.suffix]:
        yield len(lines), f"{len(lines)} lines; at most {line_count_max[path.suffix]}"
    if path.suffix == ".h":
        if not lines or not lines[0].startswith("//"):
            yield 1, "a header opens with prose: what it is, what it guarantees"
        if "#pragma once" not in lines:
            yield 1, "no #pragma once"
    is_macro_file = str(path) in macro_files or str(path).startswith(macro_folders)
    for number, line in enumerate(lines, 1):
        macro = macro_pattern.match(line)
        if macro and not is_macro_file:
            yield number, f"macro {macro.group(1)}: the only macro is ASSERT"
        condition = condition_pattern.match(line)
        if condition and not is_macro_file and "__has_include" not in condition.group(2):
            yield number, "a platform is a file that meson picks, not an #if"


# clang-tidy counts every other function, but says nothing of what a system header's macro begins.
def check_tests(lines):
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"(TYPED_)?TEST(_F|_P)?\(", line):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > test_line_count_max:
                yield start, f"a test of {number - start - 1} lines; at most {test_line_count_max}"
            start = None


def check_words(path, lines):
    is_code = path.suffix in (".h", ".cc", ".py", "") or path.name == "meson.build"
    for number, line in enumerate(lines, 1):
        if len(line) > column_max and is_code:
            yield number, f"{len(line)} columns; at most {column_max}"
        if line.rstrip() != line and path.name != "LICENSE":
            yield number, "white space at the end of the line"
        if is_code and temporary.search(line):
            yield number, "the temporary folder is not there on every machine"
        for pattern, why in forbidden:
            if pattern.search(line):
                yield number, f"{pattern.search(line).group(0)}: {why}"


def main():
    complaints = []
    for path in project_files():
        if vague_names & set(re.split(r"[_.\-/]", str(path).lower())):
            complaints.append(f"{path}:1: a vague name: name the noun that the file defines")
        text = text_of(path)
        if text is None:
            continue
        lines = text.splitlines()
        if text and not text.endswith("\n"):
            complaints.append(f"{path}:{len(lines)}: no newline at the end")
        found = list(check_words(path, lines))
        if path.suffix in line_count_max:
            found += check_source(path, lines)
            found += check_tests(lines)
        complaints += [f"{path}:{number}: {what}" for number, what in found]
    return report(complaints)


sys.exit(main())
