"""Servers to measure, and rounds of contenders one after the other, so that what else the machine
does meets all of them alike."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]
programs = root / "build" / "release"


def parser(description):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--report", metavar="FILE", help="also write the figures as JSON")
    return options


def require(*names):
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; scripts/setup installs them")


def make_random_file(path, size):
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())


class Server:
    """A program that serves on a unix socket, for as long as the context lasts."""

    def __init__(self, words, socket):
        self.words, self.socket = [str(word) for word in words], pathlib.Path(socket)

    def __enter__(self):
        log = self.socket.with_suffix(".log")
        with open(log, "wb") as output:
            self.process = subprocess.Popen(self.words, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"{self.words[0]} does not serve: {log.read_text()}")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def timed(words):
    """Seconds by the clock and of the processor that a program takes; it must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor_seconds": used}


def interleave(rounds, contenders):
    """The results of each contender, a list of dictionaries: the order turns with every round."""
    results = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(contenders[name]())
    return results


def medians(results):
    return {name: {key: statistics.median(one[key] for one in found) for key in found[0]}
            for name, found in results.items()}


def write_report(options, harness, seconds, figures):
    if options.report is None:
        return
    pathlib.Path(options.report).write_text(json.dumps({
        "harness": harness, "command": " ".join([f"scripts/{harness}"] + sys.argv[1:]),
        "seconds": round(seconds, 1), "figures": figures, "violations": 0}, indent=2) + "\n")
