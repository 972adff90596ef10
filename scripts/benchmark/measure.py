"""One run: one workload, one server, so many seconds; and the figures of it.

Figures: iops, mb_s (10^6 bytes), p50_us, p99_us, p999_us of the reads or of the writes, whichever
are more; flush_p99_us; cpu_us, the server's processor time for each read or write; pss_mib, late
in the run. Beside idle connections also pss_per_idle_kib.
"""
import contextlib
import json
import subprocess
import time

from benchmark import processes, workloads
from benchmark.idle_clients import IdleClients
from benchmark.servers import Failed

PERCENTILES = (("p50_us", "50.000000"), ("p99_us", "99.000000"), ("p999_us", "99.900000"))


class Meter:
    """Runs fio against servers that `runner` starts, on `files`."""

    def __init__(self, runner, files, seconds):
        self.runner, self.files, self.seconds = runner, files, seconds

    def run(self, workload, server):
        self.files.settle(server)
        if server.is_disk:
            target = ["--ioengine=io_uring", "--direct=1", f"--filename={self.files.path(server)}"]
            return self.load(workload, target, None)
        file = self.files.path(server)
        has_idle_clients = workload.idle_connections is not None
        with self.runner.start(server, file, workload.is_tcp, has_idle_clients) as running, \
                contextlib.ExitStack() as idle:
            target = ["--ioengine=nbd", f"--uri={running.place.uri}"]
            if workload.is_hot:
                self.warm(workload, target)
            extra = {}
            if workload.idle_connections:
                before = processes.pss_kib(running.pid)
                idle.enter_context(IdleClients(running.place.address, workload.idle_connections))
                grown = processes.pss_kib(running.pid) - before
                extra["pss_per_idle_kib"] = grown / workload.idle_connections
            return self.load(workload, target, running.pid) | extra

    def warm(self, workload, target):
        """Reads once, through the server, what will be asked for; in requests that are not so
        large that they go past the cache."""
        region = workload.region_bytes(self.files.size)
        self.fio(["--name=warm", "--rw=read", "--bs=128k", "--iodepth=8", f"--size={region}",
                  "--output-format=json", *target], 60)

    def load(self, workload, target, pid):
        before = processes.cpu_seconds(pid) if pid else 0
        memory = []

        def look_at_memory():
            memory.append(processes.pss_kib(pid) if pid else 0)

        arguments = workloads.fio_arguments(workload, self.seconds, self.files.size)
        report = self.fio(arguments + target, 3 * self.seconds + 60, look_at_memory)
        time.sleep(0.02)  # The server still has the end of the connections to deal with.
        cpu = processes.cpu_seconds(pid) - before if pid else None
        return figures(report, cpu, memory[0] if pid else None)

    def fio(self, arguments, seconds_max, late=None):
        """Its report on the one group of jobs. Calls `late` when most of the time is over."""
        output = self.runner.folder / "fio.json"  # Its nbd engine talks to stdout.
        output.unlink(missing_ok=True)
        process = subprocess.Popen(["fio", *arguments, f"--output={output}"], text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, cwd=self.runner.folder)
        identity = processes.identity(process.pid)
        try:
            if late:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.7 * self.seconds)
                late()
            said = process.communicate(timeout=seconds_max)[1]
        except subprocess.TimeoutExpired:
            raise Failed(f"fio does not end: {' '.join(arguments)}") from None
        finally:
            processes.end(identity, process.poll)
        text = output.read_text() if output.exists() else ""
        if process.returncode != 0 or "{" not in text:
            raise Failed(f"fio left with {process.returncode}: {(said or text).strip()[-300:]}")
        return json.loads(text[text.index("{"):])["jobs"][0]


def figures(report, cpu_seconds, pss_kib):
    """Of fio's report on a run and what the server took meanwhile, None where there was none."""
    reads, writes = report["read"], report["write"]
    requests = reads["total_ios"] + writes["total_ios"]
    if report["error"] or requests == 0:
        raise Failed(f"fio had no success: error {report['error']}, {requests} requests")
    most = max(reads, writes, key=lambda one: one["total_ios"])
    found = {"iops": reads["iops"] + writes["iops"],
             "mb_s": (reads["bw_bytes"] + writes["bw_bytes"]) / 1e6}
    for name, key in PERCENTILES:
        found[name] = most["clat_ns"]["percentile"][key] / 1e3
    flushes = report.get("sync", {}).get("lat_ns", {}).get("percentile")
    if flushes:
        found["flush_p99_us"] = flushes["99.000000"] / 1e3
    if cpu_seconds is not None:
        found["cpu_us"] = cpu_seconds / requests * 1e6
        found["pss_mib"] = pss_kib / 1024
    return found
