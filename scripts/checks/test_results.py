#!/usr/bin/env python3
"""What failed in the last `meson test`, and as the last line how many cases passed and failed.

    test_results.py BUILD MESON_EXIT_CODE

A case is a test of a GoogleTest program or a line of a TAP script; a program without either is one.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree

output_lines_max = 300


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") == "notrun":
        return "skipped"
    return "passed"


def program_of(name):
    """Meson's name of a test without the project and the suites: "blockd:interop / fio" is fio."""
    return name.split(" / ")[-1]


def cases_by_program(path):
    """{program: [(case, outcome)]} of the programs that report cases.

    Their suites are named project.program.suite, or project.program; all others are in `project`.
    """
    cases = {}
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        _, dot, program = suite.get("name").partition(".")
        if not dot:
            continue
        program, _, suite_name = program_of(program).partition(".")
        for case in suite.findall("testcase"):
            name = f"{suite_name}.{case.get('name')}" if suite_name else case.get("name")
            cases.setdefault(program, []).append((name, outcome(case)))
    return cases


def programs(path):
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        yield program_of(entry["name"]), entry


def tail(entry):
    lines = (entry.get("stdout", "") + entry.get("stderr", "")).splitlines()
    if len(lines) > output_lines_max:
        lines = [f"({len(lines) - output_lines_max} lines left out)", *lines[-output_lines_max:]]
    return "\n".join(lines)


def count(counts, program, entry, cases):
    """Adds a program's cases, and prints what went wrong in it."""
    result = entry["result"]
    is_good = result in ("OK", "EXPECTEDFAIL", "SKIP")
    for _, what in cases:
        counts[what] += 1
    failed = [name for name, what in cases if what == "failed"]
    if not is_good:
        counts["failed"] += 0 if failed else 1
        print(f"\n{program}: {result} {' '.join(failed)}\n{tail(entry)}")
    elif not cases:
        counts["skipped" if result == "SKIP" else "passed"] += 1
        if result == "SKIP":
            print(f"{program}: skipped: {tail(entry).strip()}")


def main():
    logs = pathlib.Path(sys.argv[1]) / "meson-logs"
    meson_failed = sys.argv[2] != "0"
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if (logs / "testlog.json").exists():
        cases = cases_by_program(logs / "testlog.junit.xml")
        for program, entry in programs(logs / "testlog.json"):
            count(counts, program, entry, cases.get(program, []))
    if meson_failed and counts["failed"] == 0:
        print("meson test failed before it ran a test")
        counts["failed"] = 1
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


sys.exit(main())
