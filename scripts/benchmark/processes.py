"""What /proc tells of a process and all that it started, and how they are ended: by their ids."""
import os
import pathlib
import signal
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS_MAX = 15


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state on; None when the process is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()  # The name before it may hold anything.


def family(pid):
    """The process and all below it."""
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        for children in pathlib.Path(f"/proc/{found[-1]}/task").glob("*/children"):
            try:
                left += [int(child) for child in children.read_text().split()]
            except OSError:
                pass  # The thread has just ended.
    return found


def cpu_seconds(pid):
    """User and system time of the family, with that of its threads, those that io_uring keeps in
    the kernel too, and of its children that have ended."""
    ticks = 0
    for member in family(pid):
        fields = stat_fields(member)
        if fields:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_SECOND


def pss_kib(pid):
    """Memory of the family; what is shared with other processes counts by its share."""
    total = 0
    for member in family(pid):
        try:
            text = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total


def identity(pid):
    """Ids are used again; with its start time a process is told from a later one. None when it is
    gone or only waits to be reaped."""
    fields = stat_fields(pid)
    return (pid, fields[19]) if fields and fields[0] != "Z" else None


def end(process, reap):
    """Ends the process of this identity, if it is still there, and what it leaves behind. `reap`
    collects it if it is our own child."""
    reap()
    if process is None or identity(process[0]) != process:
        return
    members = [known for known in map(identity, family(process[0])) if known]
    os.kill(process[0], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while time.monotonic() < deadline:
        reap()
        if not any(identity(known[0]) == known for known in members):
            return
        time.sleep(0.01)
    for known in members:
        if identity(known[0]) == known:
            os.kill(known[0], signal.SIGKILL)
    reap()
