#!/usr/bin/env python3
"""Guests on a disk that blockd serves, and blockd killed under them: see docs/testing.md.

Exit codes: 0 all promises held (with --canary: every deliberate bug was found), 1 they did not,
2 a guest did not do its part, 77 something is missing that this is made of.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from typing import NamedTuple

import initrd
import packages
from daemon import Daemon
from machine import QEMU, Stuck
from round import DISK_SIZE, FILE_SYSTEMS, WAYS, Round


class Canary(NamedTuple):
    """A deliberate bug; without a mutant's name, a block that is lost between two lives."""
    mutant: str
    way: str
    file_system: str


CANARIES = (
    # A block whose head is zero is read as all zeros: qemu takes structured replies.
    Canary("zeros_judged_by_head", "virtio", "ext4"),
    # The memory of a request is given to the next one while it is still in use.
    Canary("buffer_returned_early", "kernel", "ext4"),
    Canary("", "virtio", "xfs"),
)


def options():
    parser = argparse.ArgumentParser(prog="scripts/guest", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--lives", type=int, default=2, help="kills of blockd in a round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--way", choices=WAYS, help="all of them in turn by default")
    parser.add_argument("--report", metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--canary", action="store_true", help="deliberate bugs must be found")
    return parser.parse_args()


class Campaign:
    def __init__(self, seed, lives):
        build = pathlib.Path(__file__).resolve().parents[2] / "build"
        self.release = build / "release"
        self.folder = build / "guest"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.image = initrd.build(packages.unpack(self.folder), self.folder)
        self.seed = seed
        self.lives = lives
        self.figures = collections.Counter()

    def play(self, index, way, file_system, canary=None):
        """Returns the round's violations. Its folder stays if there are any that nobody wanted."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="round-", dir=self.folder))
        program = self.release / "blockd"
        environment = dict(os.environ)
        environment.pop("BLOCKD_MUTANT", None)
        if canary and canary.mutant:
            program = self.release / "tests/probes/blockd-probed"
            environment["BLOCKD_MUTANT"] = canary.mutant
        daemon = Daemon(program, folder, DISK_SIZE, environment)
        numbers = random.Random(f"{self.seed} {index}")
        played = Round(self.image, daemon, way, file_system, numbers)
        started = time.monotonic()
        is_kept = False
        try:
            played.play(self.lives, is_tampered=bool(canary and not canary.mutant))
            is_kept = bool(played.violations) and not canary
        except Stuck:
            is_kept = True
            raise
        finally:
            self.figures += played.figures
            if not is_kept:
                shutil.rmtree(folder)
        print(f"round {index}: {way}, {file_system}, {time.monotonic() - started:.0f} s: "
              f"{played.model.promises} changes promised, {len(played.violations)} violations"
              f"{f' (see {folder})' if is_kept else ''}", flush=True)
        for violation in played.violations:
            print(f"  {violation}")
        return played.violations

    def run(self, rounds, only_way):
        """The number of violations."""
        count = 0
        for index in range(rounds):
            way = only_way or WAYS[index % len(WAYS)]
            file_system = FILE_SYSTEMS[index % len(FILE_SYSTEMS)]
            count += len(self.play(index, way, file_system))
        return count

    def run_canaries(self):
        """The number of deliberate bugs that nobody noticed."""
        missed = 0
        for index, canary in enumerate(CANARIES):
            name = canary.mutant or "a block lost between two lives"
            found = self.play(index, canary.way, canary.file_system, canary)
            print(f"canary: {name}: {'found' if found else 'NOT FOUND'}")
            missed += not found
        return missed


def main():
    # As an exception it ends the guest and blockd on its way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chosen = options()
    if shutil.which(QEMU) is None:
        raise packages.Unavailable(f"there is no {QEMU}")
    print(f"seed {chosen.seed}")
    started = time.monotonic()
    campaign = Campaign(chosen.seed, chosen.lives)
    if chosen.canary:
        count = campaign.run_canaries()
    else:
        count = campaign.run(chosen.rounds, chosen.way)
    figures = dict(campaign.figures)
    print(", ".join(f"{value} {name}" for name, value in figures.items()))
    if chosen.report:
        report = {"harness": "guest", "command": " ".join(["scripts/guest", *sys.argv[1:]]),
                  "seed": chosen.seed, "seconds": round(time.monotonic() - started, 1),
                  "figures": figures, "violations": count}
        pathlib.Path(chosen.report).write_text(json.dumps(report, indent=4) + "\n")
    return 1 if count else 0


try:
    sys.exit(main())
except packages.Unavailable as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
except Stuck as stuck:
    print(f"FAILED: {stuck}", file=sys.stderr)
    sys.exit(2)
