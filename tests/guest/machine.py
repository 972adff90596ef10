"""A guest: one qemu process without KVM, and the serial line on which init takes commands."""

import os
import select
import subprocess
import time
from typing import NamedTuple

QEMU = "qemu-system-x86_64"
BOOT_SECONDS_MAX = 120
COMMAND_SECONDS_MAX = 120


class Stuck(Exception):
    """The guest did not do what even a guest with a broken disk does: it shows nothing of blockd.
    """


class Answer(NamedTuple):
    id: int
    kind: str  # "ok" and "failed" are a command's last; "file" and "note" come before.
    text: str

    @property
    def is_last(self):
        return self.kind in ("ok", "failed")


class Machine:
    """Starts at once; `folder` takes the kernel's messages, and is where relative paths begin."""

    def __init__(self, kernel, initrd, folder, name, options):
        self.console = folder / f"{name}.console"
        self.last_id = 0
        self.received = b""
        self.ended = False
        command = [
            QEMU, "-accel", "tcg", "-cpu", "qemu64", "-m", "384M", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(kernel), "-initrd", str(initrd),
            "-append", "console=ttyS0 quiet panic=-1 nokaslr mitigations=off",
            "-serial", f"file:{self.console.name}", "-serial", "stdio", *options]
        with open(folder / f"{name}.qemu", "wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)

    def wait_for_boot(self):
        if self.next_answer(BOOT_SECONDS_MAX) is None:
            raise Stuck(f"no boot within {BOOT_SECONDS_MAX} s: see {self.console}")

    def send(self, command):
        """Returns the id that the answers will have."""
        self.last_id += 1
        self.process.stdin.write(f"{self.last_id} {command}\n".encode())
        self.process.stdin.flush()
        return self.last_id

    def call(self, command):
        """All answers to a command, while no other one is under way. The last tells how it went."""
        id = self.send(command)
        answers = []
        while not answers or not answers[-1].is_last:
            answer = self.next_answer(COMMAND_SECONDS_MAX)
            if answer is None:
                raise Stuck(f"{command}: no answer in {COMMAND_SECONDS_MAX} s: see {self.console}")
            if answer.id == id:
                answers.append(answer)
        return answers

    def next_answer(self, seconds):
        """None when there was none for so long."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.received:
            readable, _, _ = select.select([self.process.stdout], [], [],
                                           max(0, deadline - time.monotonic()))
            if not readable:
                return None
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Stuck(f"qemu ended: see {self.console}")
            self.received += data
        line, _, self.received = self.received.partition(b"\n")
        id, kind, text = (line.decode(errors="replace").split(" ", 2) + ["", ""])[:3]
        if not id.isdigit():
            raise Stuck(f"init said {line!r}: see {self.console}")
        return Answer(int(id), kind, text)

    def kernel_messages(self):
        return self.console.read_text(errors="replace")

    def kill(self):
        """As if the guest's power were cut."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
