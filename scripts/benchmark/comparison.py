"""The rounds: every server does every workload once a round, one server running at a time."""
import sys

from benchmark.idle_clients import open_files_lack
from benchmark.results import Results
from benchmark.servers import Failed

# Besides the load itself: starting and ending a server and fio, reading the file.
RUN_SECONDS_MORE = 1.0


def say(text):
    print(text, file=sys.stderr, flush=True)


def plan(workloads, servers):
    """Pairs of a workload and the servers that do it."""
    pairs = [(workload, [server for server in servers if workload.suits(server)])
             for workload in workloads]
    return [(workload, taking_part) for workload, taking_part in pairs if taking_part]


def without_lacking(pairs):
    """What this machine's limits allow; says what it leaves out."""
    kept = []
    for workload, servers in pairs:
        lack = open_files_lack(workload.idle_connections or 0)
        if lack:
            say(f"bench: {workload.name} is left out: {lack}")
        else:
            kept.append((workload, servers))
    return kept


def able(meter, servers):
    """The servers that start here; says which do not, and why."""
    kept = []
    for server in servers:
        file = meter.files.path(server)
        lack = meter.runner.lack(server, file)
        if not lack and not server.is_disk:
            try:
                with meter.runner.start(server, file):
                    pass
            except Failed as failure:
                lack = str(failure)
        if lack:
            say(f"bench: {server.name} is left out: {lack}")
        else:
            kept.append(server)
    return kept


def seconds_expected(pairs, rounds, seconds):
    return sum(len(servers) for _, servers in pairs) * rounds * (seconds + RUN_SECONDS_MORE)


def run(meter, pairs, rounds):
    """The results, and whether Ctrl-C cut them short: then those of the rounds so far."""
    results = Results()
    try:
        for number in range(1, rounds + 1):
            for workload, servers in pairs:
                found = [f"{server.name} " + run_once(meter, results, number, workload, server)
                         for server in servers]
                say(f"round {number} of {rounds}, {workload.name}: " + ", ".join(found))
    except KeyboardInterrupt:
        return results, True
    return results, False


def run_once(meter, results, number, workload, server):
    """What to tell of the run; a failed one is kept as a failure, and the others go on."""
    try:
        figures = meter.run(workload, server)
    except (Failed, OSError) as failure:
        results.failures.append(f"{workload.name}, {server.name}, round {number}: {failure}")
        return "failed"
    results.add(number, workload.name, server.name, figures)
    return f"{figures['iops']:.0f}"
