"""Keeps several changes of files under way in a guest, and tells the model what became durable."""

import math
import time

DEPTH = 4
FILE_COUNT = 24
# The smallest tells the file's name and version, so that no two versions are alike.
SIZE_MIN = 64
SIZE_MAX = 256 * 1024


class Workload:
    def __init__(self, machine, model, numbers):
        self.machine = machine
        self.model = model
        self.numbers = numbers
        self.names = {}  # By the id of the command that is under way.
        self.promises = 0
        self.is_blockd_gone = False
        self.failures = []
        self.notes = []

    def run_until_promised(self, count, seconds_max):
        """False when there were no `count` more promises in that time, or a change failed."""
        wanted = self.promises + count
        deadline = time.monotonic() + seconds_max
        while self.promises < wanted and not self.failures:
            self._start_changes()
            if not self._take_answer(deadline):
                return False
        return not self.failures

    def run_for(self, seconds):
        deadline = time.monotonic() + seconds
        self._start_changes()
        while self._take_answer(deadline):
            self._start_changes()

    def settle(self, seconds_max):
        """Starts nothing more. True when everything under way was answered in that time."""
        deadline = time.monotonic() + seconds_max
        while self.names:
            if not self._take_answer(deadline):
                return False
        return True

    def _take_answer(self, deadline):
        answer = self.machine.next_answer(max(0, deadline - time.monotonic()))
        if answer is None:
            return False
        if not answer.is_last:
            self.notes.append(answer.text)
            return True
        name = self.names.pop(answer.id)
        if answer.kind == "ok":
            self.model.succeed(name, self.is_blockd_gone)
            self.promises += 1
        else:
            self.failures.append(f"{answer.text} ({'; '.join(self.notes[-3:])})")
        return True

    def _start_changes(self):
        while len(self.names) < DEPTH and not self.failures:
            name = f"file-{self.numbers.randrange(FILE_COUNT)}"
            if name in self.names.values():
                continue
            command = self._change(name)
            self.names[self.machine.send(command)] = name

    def _change(self, name):
        state = self.model.state(name)
        how = "replace"
        if state == 0:
            how = "create"
        elif state is not None:
            how = self.numbers.choices(("replace", "overwrite", "remove"), (4, 4, 2))[0]
        if how == "remove":
            self.model.begin(name, how)
            return f"remove {name}"
        size = math.ceil(math.exp(self.numbers.uniform(math.log(SIZE_MIN), math.log(SIZE_MAX))))
        if how == "overwrite":
            size = self.model.sizes[name, state]
        version = self.model.begin(name, how, size)
        return f"put {how} {name} {version} {size}"
