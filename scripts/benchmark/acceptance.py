"""The targets: how fast blockd has to be, against which server, at what."""
import dataclasses

from benchmark import report

DIRECT = ("blockd-io_uring", "blockd-kqueue")   # The first that this blockd can run.
QEMU_DIRECT = ("qemu-none-io_uring", "qemu-none-native", "qemu-none-threads")
CACHED_PEERS = ("nbdkit-file", "nbd-server", "qemu-writeback-threads", "qemu-writeback-io_uring")
IDLE_BASE = "randread-4k-qd32-idle0"
IDLE = "randread-4k-qd32-idle10000"


@dataclasses.dataclass(frozen=True)
class Target:
    workload: str
    key: str                        # the figure that is judged
    bound: float                    # at least this many IOPS; at most this much of anything else
    ours: tuple = DIRECT
    peers: tuple = QEMU_DIRECT      # a ratio to the best of them
    base: str | None = None         # or a ratio to another workload on the same server
    title: str = ""

    def what(self):
        names = {"iops": "IOPS", "cpu_us": "CPU per request"}
        return f"{self.workload}: {self.title or names[self.key] + ' to the best peer'}"

    def value(self, results):
        """The figure of the first of ours that has it; None when it was not measured."""
        for server in self.ours:
            if self.base:
                found = results.ratio_of_workloads(self.workload, self.base, server, self.key)
            elif self.peers:
                found = results.ratio(self.workload, server, self.peers, self.key)
            else:
                found = results.medians(self.workload, server).get(self.key)
            if found is not None:
                return found
        return None

    def is_reached(self, value):
        return value >= self.bound if self.key == "iops" else value <= self.bound

    def servers(self, able):
        """Of the names of those that can run: the one of ours, and the peers; none without ours."""
        ours = [name for name in self.ours if name in able][:1]
        return ours + [name for name in self.peers if ours and name in able]


def pair(workload, iops, cpu, **others):
    return [Target(workload, "iops", iops, **others), Target(workload, "cpu_us", cpu, **others)]


def all_targets():
    own_cache = {"ours": ("blockd-cache",), "peers": CACHED_PEERS}
    page_cache = ("blockd-pagecache-io_uring", "blockd-pagecache-kqueue")
    targets = [
        *pair("randread-4k-qd1", 1.05, 0.75), *pair("randread-4k-qd32", 1.2, 0.4),
        *pair("randread-4k-qd128", 1.7, 0.35), *pair("randwrite-4k-qd1", 1.05, 0.7),
        *pair("randwrite-4k-qd32", 1.2, 0.45), *pair("randwrite-4k-qd128", 1.5, 0.4),
        *pair("randrw70-4k-qd32", 1.1, 0.45), *pair("read-64k-qd8", 1.05, 0.6),
        *pair("write-64k-qd8", 1.05, 0.6), *pair("read-256k-qd8", 1.0, 0.5),
        *pair("write-256k-qd8", 1.5, 0.5), Target("randwrite-4k-qd1-c16-fsync1", "iops", 1.5),
        *pair("randread-4k-qd32-hot", 1.5, 0.4, **own_cache),
        *pair("randread-4k-qd128-hot", 1.5, 0.4, **own_cache),
        *pair("randwrite-4k-qd32-hot", 1.5, 0.3, **own_cache),
        Target("randread-4k-qd32-hot", "iops", 0.8, ("blockd-cache-kqueue",), ("blockd-cache",),
               title="kqueue's IOPS to io_uring's, blockd's cache"),
        Target(IDLE, "iops", 0.95, page_cache, (), IDLE_BASE, "IOPS to those without"),
        Target(IDLE, "pss_per_idle_kib", 64, page_cache, (), title="KiB for each idle connection"),
    ]
    for depth, share in ((32, 0.75), (128, 0.9)):
        for access in ("randread", "randwrite"):
            targets.append(Target(f"{access}-4k-qd{depth}", "iops", share, DIRECT, ("disk",),
                                  title="share of the disk's IOPS"))
    return targets


def plan(targets, workloads, servers):
    """Pairs of a workload and the servers that do it: what the targets need and no more."""
    able = [server.name for server in servers]
    needed = {}
    for target in targets:
        for workload in filter(None, (target.workload, target.base)):
            needed.setdefault(workload, set()).update(target.servers(able))
    pairs = [(workload, [server for server in servers if server.name in needed[workload.name]])
             for workload in workloads if workload.name in needed]
    return [(workload, taking_part) for workload, taking_part in pairs if taking_part]


def judge(targets, results):
    """Rows of what, target, value, verdict."""
    rows = []
    for target in targets:
        value = target.value(results)
        sign = ">=" if target.key == "iops" else "<="
        verdict = ("not measured" if value is None
                   else "reached" if target.is_reached(value) else "short")
        rows.append([target.what(), f"{sign} {target.bound:g}", report.number(value), verdict])
    return rows
