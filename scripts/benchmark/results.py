"""What was measured, round by round, and what follows from it.

A machine's drift and its other work meet all servers of a round alike: so ratios are taken inside
each round, and their median counts."""
import collections
import statistics


class Results:
    def __init__(self):
        self.runs = collections.defaultdict(dict)   # (workload, server): {round: figures}
        self.failures = []

    def add(self, round_number, workload, server, figures):
        self.runs[workload, server][round_number] = figures

    def workloads(self):
        return list(dict.fromkeys(workload for workload, _ in self.runs))

    def has(self, workload, server):
        return (workload, server) in self.runs

    def medians(self, workload, server):
        """Of every figure, and the spread: how far the rounds' IOPS lie apart, as a share."""
        rounds = list(self.runs.get((workload, server), {}).values())
        if not rounds:
            return {}
        found = {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}
        speeds = [figures["iops"] for figures in rounds]
        found["spread"] = (max(speeds) - min(speeds)) / found["iops"]
        return found

    def ratio(self, workload, ours, peers, key="iops"):
        """The median over the rounds of `ours` by the best of the peers, the one with the most IOPS
        in that round, whichever figure is compared. None where there is nothing to compare."""
        found = []
        for number, figures in self.runs.get((workload, ours), {}).items():
            rivals = [self.runs[workload, peer][number] for peer in peers
                      if number in self.runs.get((workload, peer), {})]
            if not rivals:
                continue
            best = max(rivals, key=lambda rival: rival["iops"])
            if best.get(key) and key in figures:
                found.append(figures[key] / best[key])
        return statistics.median(found) if found else None

    def ratio_of_workloads(self, workload, base, server, key="iops"):
        """The same for one server: one workload by another."""
        bases = self.runs.get((base, server), {})
        found = [figures[key] / bases[number][key]
                 for number, figures in self.runs.get((workload, server), {}).items()
                 if number in bases and bases[number][key]]
        return statistics.median(found) if found else None

    def as_json(self):
        return [{"workload": workload, "server": server, "round": number} | figures
                for (workload, server), rounds in self.runs.items()
                for number, figures in rounds.items()]
