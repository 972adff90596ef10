"""A round: a new disk, several lives of a guest on it, blockd killed in each, and what is left.

After every life a fresh guest mounts the file system, which replays its journal; the file system's
own checker must find nothing to mend then, and the files must be what was promised.
"""

import collections
import mmap

from daemon import Misbehaved
from file_model import FileModel
from machine import Machine
from workload import Workload

DISK_SIZE = "512MiB"
FILE_SYSTEMS = ("ext4", "xfs")

# virtio: qemu's NBD client, whose disk fails with blockd. reconnect: qemu waits for blockd, and the
# guest notices nothing. kernel: nbd.ko with four connections; its disk fails with blockd.
WAYS = ("virtio", "reconnect", "kernel")

RECONNECT_SECONDS = 60
LOAD_SECONDS_MAX = 120
BLOCK_SIZE = 4096


class Violation(Exception):
    """What blockd promised did not hold; the round cannot go on."""


class Round:
    def __init__(self, image, daemon, way, file_system, numbers):
        self.image = image
        self.daemon = daemon
        self.way = way
        self.file_system = file_system
        self.numbers = numbers
        self.model = FileModel()
        self.machine = None
        self.boots = 0
        self.violations = []
        self.figures = collections.Counter()

    def play(self, lives, is_tampered):
        """Afterwards `violations` and `figures` tell how it went."""
        try:
            self.daemon.start()
            for life in range(lives):
                self._boot()
                if life == 0:
                    self._expect(f"format {self.file_system}")
                else:
                    self._check()
                self._expect(f"mount {self.file_system}")
                self._live()
            self._check_all()
            if is_tampered:
                self._tamper()
                self._check_all()
        except (Violation, Misbehaved) as violation:
            self.violations.append(str(violation))
        finally:
            if self.machine:
                self.machine.kill()
            self.daemon.end()
        self.figures["changes promised"] += self.model.promises
        self.figures["rounds"] += 1

    def _boot(self):
        options = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
        if self.way != "kernel":
            delay = RECONNECT_SECONDS if self.way == "reconnect" else 0
            options = ["-drive", "file=nbd+unix:///demo?socket=blockd.sock,format=raw,if=virtio,"
                                 f"discard=unmap,file.reconnect-delay={delay}"]
        self.boots += 1
        self.machine = Machine(*self.image, self.daemon.folder, f"guest{self.boots}", options)
        self.machine.wait_for_boot()
        self.figures["boots"] += 1
        self._expect(f"attach nbd {self.daemon.port}" if self.way == "kernel" else "attach virtio")

    def _cut_power(self):
        self.machine.kill()
        self.machine = None
        self.model.forget_changes()

    def _expect(self, command):
        *answers, last = self.machine.call(command)
        if last.kind != "ok":
            notes = "; ".join(answer.text for answer in answers if answer.kind == "note")
            raise Violation(f"{command}: {last.text}: {notes}")
        return answers

    def _live(self):
        """Loads the disk, kills blockd at a random moment, and ends with the guest's power cut."""
        workload = Workload(self.machine, self.model, self.numbers)
        self._load(workload)
        self.daemon.kill()
        workload.is_blockd_gone = True
        self.figures["kills of blockd"] += 1
        if self.way == "reconnect":
            workload.run_for(self.numbers.uniform(0, 2))
            self.daemon.start()
            workload.is_blockd_gone = False
            self._load(workload)
            if "I/O error" in self.machine.kernel_messages():
                raise Violation("the guest's kernel saw an error over a reconnect")
            self.figures["reconnects"] += 1
            self._cut_power()
            return
        # Either the guest loses its disk and lives on for a while, or all goes at once.
        if self.numbers.random() < 0.5:
            workload.settle(10)
            self.figures["losses that the guest noticed"] += bool(workload.failures)
        self._cut_power()
        self.daemon.start()

    def _load(self, workload):
        if not workload.run_until_promised(self.numbers.randrange(10, 40), LOAD_SECONDS_MAX):
            raise Violation("a change failed while blockd was there: "
                            f"{workload.failures or 'no answer'}")
        workload.run_for(self.numbers.uniform(0, 0.5))

    def _check(self):
        """What a fresh guest finds. The first mount replays the journal."""
        self._expect(f"mount {self.file_system}")
        self._expect("unmount")
        self._expect(f"check {self.file_system}")
        self.figures["file systems checked"] += 1
        self._expect(f"mount {self.file_system}")
        found = {}
        for answer in self._expect("list"):
            name, checksum = answer.text.split()
            if not name.endswith(".new"):
                found[name] = checksum
        self._expect("unmount")
        self.figures["files checked"] += len(self.model.promised())
        self.violations += self.model.judge(found)

    def _check_all(self):
        """The last look; then blockd must leave cleanly."""
        self._boot()
        self._check()
        if self.way == "kernel":
            self._expect("detach")
        self._cut_power()
        self.daemon.stop()

    def _tamper(self):
        """Takes a block of a promised file away, wherever a copy of it lies on the disk."""
        promised = self.model.promised()
        name = max(promised, key=lambda name: self.model.sizes[name, promised[name]])
        block = self.model.content(name, promised[name])[:BLOCK_SIZE]
        assert len(block) == BLOCK_SIZE
        with open(self.daemon.disk, "r+b") as disk, mmap.mmap(disk.fileno(), 0) as data:
            offset = data.find(block)
            assert offset >= 0, f"{name} is not on the disk"
            while offset >= 0:
                data[offset:offset + BLOCK_SIZE] = bytes(BLOCK_SIZE)
                offset = data.find(block, offset)
        self.daemon.start()
