"""What is asked of the servers, and how fio is told to ask it.

A workload's name says all of it: ACCESS-BLOCK-qdDEPTH, then what is not as usual: -cN with N
connections, -fsyncN with a flush after every N writes, -hot within the first 256 MiB, -tcp over
loopback, -idleN beside N connections that ask nothing.
"""
import dataclasses

HOT_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Workload:
    access: str             # randread, randwrite, randrw70, read, write
    block: str              # as fio spells it: 4k, 1m
    depth: int              # requests in flight on each connection
    connections: int = 1
    writes_per_flush: int = 0
    is_hot: bool = False
    is_tcp: bool = False
    idle_connections: int | None = None     # 0: what the others are compared with

    @property
    def name(self):
        words = [self.access, self.block, f"qd{self.depth}"]
        if self.connections > 1:
            words.append(f"c{self.connections}")
        if self.writes_per_flush:
            words.append(f"fsync{self.writes_per_flush}")
        words += ["hot"] * self.is_hot + ["tcp"] * self.is_tcp
        if self.idle_connections is not None:
            words.append(f"idle{self.idle_connections}")
        return "-".join(words)

    def region_bytes(self, file_bytes):
        return min(HOT_BYTES, file_bytes) if self.is_hot else file_bytes

    def suits(self, server):
        """Whether this server takes part. What fits into a cache is a matter of those that have
        one. Idle connections are compared with none on the same server, from the page cache: there
        a disk's moods do not hide what they cost."""
        if server.connections_max and self.connections > server.connections_max:
            return False
        if self.is_hot:
            return server.group == "cached"
        if self.idle_connections is not None:
            return server.is_blockd and server.group == "cached" and not server.has_own_cache
        if self.is_tcp:
            return not server.is_disk
        return True


def fio_arguments(workload, seconds, file_bytes):
    """What is asked, without the engine and the target."""
    is_mixed = workload.access == "randrw70"
    arguments = [
        "--name=" + workload.name, "--rw=" + ("randrw" if is_mixed else workload.access),
        "--bs=" + workload.block, f"--iodepth={workload.depth}",
        f"--numjobs={workload.connections}", "--thread", "--group_reporting",
        f"--size={workload.region_bytes(file_bytes)}", "--norandommap", "--randrepeat=0",
        "--time_based", f"--runtime={round(seconds * 1000)}ms",
        "--percentile_list=50:99:99.9", "--output-format=json"]
    if is_mixed:
        arguments.append("--rwmixread=70")
    if workload.writes_per_flush:
        arguments.append(f"--fsync={workload.writes_per_flush}")
    return arguments


def all_workloads():
    found = [Workload(access, "4k", depth)
             for access in ("randread", "randwrite", "randrw70") for depth in (1, 32, 128)]
    found += [Workload(access, block, 8)
              for block in ("64k", "256k", "1m") for access in ("read", "write")]
    found += [Workload("randwrite", "4k", depth, connections, writes_per_flush=writes)
              for depth, writes in ((1, 1), (32, 32)) for connections in (1, 16)]
    found += [Workload(access, "4k", 32, connections)
              for access in ("randread", "randwrite") for connections in (4, 16, 64)]
    found += [Workload(access, block, depth, is_tcp=True) for access, block, depth in (
        ("randread", "4k", 1), ("randread", "4k", 32), ("randwrite", "4k", 32),
        ("read", "256k", 8))]
    found += [Workload(access, "4k", depth, is_hot=True) for access, depth in (
        ("randread", 32), ("randread", 128), ("randwrite", 32))]
    found += [Workload("randread", "4k", 32, idle_connections=count)
              for count in (0, 1000, 10000)]
    return found


# A look at everything in a few minutes.
QUICK_NAMES = {"randread-4k-qd1", "randread-4k-qd32", "randwrite-4k-qd32", "read-256k-qd8",
               "randwrite-4k-qd1-fsync1", "randread-4k-qd32-hot"}
