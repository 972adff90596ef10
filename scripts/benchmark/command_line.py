"""scripts/bench: what the user says, and what is done about it."""
import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from benchmark import acceptance, comparison, report, servers, svg, workloads
from benchmark.comparison import say
from benchmark.data_files import DataFiles, NoRoom
from benchmark.measure import Meter

root = pathlib.Path(__file__).resolve().parents[2]
results_folder = root / "build" / "bench"

PROGRAMS = ("fio", "qemu-nbd", "nbdkit", "nbd-server", "meson", "ninja")
FULL = {"rounds": 5, "seconds": 3.0, "size": 1.0}
QUICK = {"rounds": 2, "seconds": 1.0, "size": 0.25}


def in_range(kind, least, most):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: a number from {least} to {most}")
        return value
    return parse


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: no regular expression: {error}") from error


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", epilog="What is measured and how: docs/measuring.md.",
        description="Compares blockd with other NBD servers: the same work, round by round.")
    add = parser.add_argument
    add("--quick", action="store_true", help="a coarse look at few workloads, in minutes")
    add("--acceptance", action="store_true", help="measure and judge blockd's targets, only them")
    add("--rounds", type=in_range(int, 1, 1000), help=f"default {FULL['rounds']}")
    add("--seconds", type=in_range(float, 0.2, 3600),
        help=f"of each run, default {FULL['seconds']:g}")
    add("--size", type=in_range(float, 1 / 64, 1024), metavar="GIB",
        help=f"of each data file, default {FULL['size']:g}")
    add("--only", type=pattern, metavar="PATTERN", help="workloads whose names match")
    add("--servers", type=pattern, metavar="PATTERN", help="servers whose names match")
    add("--folder", type=pathlib.Path, default=results_folder,
        help="where the data files lie for the while: the disk that is measured")
    add("--output", type=pathlib.Path, metavar="FILE", default=results_folder / "result.json")
    add("--svg", type=pathlib.Path, metavar="FILE", help="also draw the comparison")
    add("--list", action="store_true", help="tell the servers and workloads")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def matching(expression, things, what):
    """Those whose names match; at least one must."""
    found = [one for one in things if expression is None or expression.search(one.name)]
    if not found:
        sys.exit(f"bench: {expression.pattern}: no {what} has such a name;"
                 " scripts/bench --list tells them")
    return found


def prepare():
    """The peers and blockd's release build."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        subprocess.run([root / "scripts" / "setup"], check=True, stdout=sys.stderr)
    engines = subprocess.run(["fio", "--enghelp"], capture_output=True, text=True).stdout.split()
    if "nbd" not in engines:
        sys.exit("bench: this fio has no nbd engine: build it with libnbd's headers present")
    subprocess.run([root / "scripts" / "build", "release", "blockd"], check=True,
                   stdout=sys.stderr)
    return root / "build" / "release" / "blockd"


def pairs_to_run(options, asked, able):
    if options.acceptance:
        pairs = acceptance.plan(acceptance.all_targets(), asked, able)
    else:
        pairs = comparison.plan(asked, able)
    return comparison.without_lacking(pairs)


def measure(options, asked, chosen, blockd):
    """The pairs that were run, the results, and whether they were cut short."""
    options.folder.mkdir(parents=True, exist_ok=True)
    # A socket's path is short: hence a second folder, in the system's own place.
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.folder) as data, \
            tempfile.TemporaryDirectory(prefix="bench-") as sockets:
        files = DataFiles(pathlib.Path(data).resolve(), round(options.size * (1 << 30)) & ~0xFFFFF)
        files.make(chosen)
        runner = servers.Runner(blockd, pathlib.Path(sockets))
        meter = Meter(runner, files, options.seconds)
        pairs = pairs_to_run(options, asked, comparison.able(meter, chosen))
        if not pairs:
            sys.exit("bench: none of the servers that are left does any of these workloads")
        expected = comparison.seconds_expected(pairs, options.rounds, options.seconds)
        say(f"bench: {len(pairs)} workloads, {options.rounds} rounds, about"
            f" {max(1, round(expected / 60))} min")
        return pairs, *comparison.run(meter, pairs, options.rounds)


def keep(options, pairs, results, judged, was_cut_short):
    """Writes the JSON, the history and the picture."""
    facts = report.facts(root, options.folder)
    facts["settings"] = {name: getattr(options, name) for name in FULL}
    medians = report.medians_by_workload(results)
    report.write_json(options.output, facts | {
        "cut_short": was_cut_short, "medians": medians,
        "ratios": report.ratios_by_workload(results, pairs), "acceptance": judged,
        "failures": results.failures, "runs": results.as_json()})
    say(f"bench: {options.output} has every figure")
    if not was_cut_short:
        report.append_history(results_folder / "history.jsonl", facts | {"medians": medians})
    if options.svg:
        machine = facts["machine"]
        caption = (f"{facts['date'][:10]}, {machine['processors']} x {machine['processor']},"
                   f" {machine['system']}; rounds: {options.rounds}")
        options.svg.write_text(svg.draw(svg.blocks(results, pairs), caption))


def stop_by_signal(*_):
    raise KeyboardInterrupt


def run(options, asked, chosen):
    pairs, results, was_cut_short = measure(options, asked, chosen, prepare())
    if was_cut_short and not results.runs:
        return 130
    print(report.text(results, pairs, options.rounds))
    judged = []
    if options.acceptance:
        targets = [target for target in acceptance.all_targets()
                   if not options.only or options.only.search(target.workload)]
        judged = acceptance.judge(targets, results)
        print("\n" + report.table(["acceptance", "target", "value", ""], judged))
    keep(options, pairs, results, judged, was_cut_short)
    if was_cut_short:
        return 130
    return 1 if results.failures or any(row[3] != "reached" for row in judged) else 0


def main(arguments=None):
    options = parse(arguments)
    every = workloads.all_workloads()
    if options.list:
        print(report.list_text(every))
        return 0
    if sys.platform != "linux":
        sys.exit("bench: it reads /proc and asks for O_DIRECT, which only Linux has")
    asked = matching(options.only, every, "workload")
    if options.quick and not options.only and not options.acceptance:
        asked = [workload for workload in asked if workload.name in workloads.QUICK_NAMES]
    chosen = matching(options.servers, servers.all_servers(), "server")
    signal.signal(signal.SIGTERM, stop_by_signal)
    try:
        return run(options, asked, chosen)
    except KeyboardInterrupt:
        return 130
    except (NoRoom, servers.Failed, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
