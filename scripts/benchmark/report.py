"""What the user reads, and what is kept: tables, a JSON file, a line of the history."""
import datetime
import json
import os
import pathlib
import platform
import subprocess

from benchmark import servers as server_table

COLUMNS = (("IOPS", "iops", 0), ("MB/s", "mb_s", 0), ("p50 us", "p50_us", 0),
           ("p99 us", "p99_us", 0), ("p99.9 us", "p999_us", 0), ("CPU us", "cpu_us", 1),
           ("PSS MiB", "pss_mib", 1))


def number(value, digits=2, unit=""):
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def table(head, rows):
    """Columns of text: the first flush left, the others flush right."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [str(cell).rjust(width) for cell, width in zip(row, widths)]
        cells[0] = str(row[0]).ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def peers_of(server, taking_part):
    return [other.name for other in taking_part
            if other.group == server.group and not other.is_blockd and not other.is_disk]


def workload_rows(results, workload, taking_part):
    rows = []
    for server in taking_part:
        medians = results.medians(workload, server.name)
        if not medians:
            continue
        row = [server.name] + [number(medians.get(key), digits) for _, key, digits in COLUMNS]
        row.append(number(100 * medians["spread"], 0, "%"))
        for key in ("iops", "cpu_us"):
            peers = peers_of(server, taking_part) if server.is_blockd else []
            row.append(number(results.ratio(workload, server.name, peers, key)))
        rows.append(row)
    return rows


def ratio_lines(results, workload, taking_part):
    """Of each blockd to everything else in its group, one by one."""
    for server in taking_part:
        if not server.is_blockd:
            continue
        ratios = []
        for other in taking_part:
            if other.group != server.group or other is server:
                continue
            speed = results.ratio(workload, server.name, [other.name])
            cpu = results.ratio(workload, server.name, [other.name], "cpu_us")
            if speed:
                ratios.append(f"{other.name} {speed:.2f}" + (f" ({cpu:.2f})" if cpu else ""))
        if ratios:
            yield f"{server.name}'s IOPS (CPU) to those of: " + ", ".join(ratios)


def idle_lines(results, workload, base, taking_part):
    for server in taking_part:
        kib = results.medians(workload, server.name).get("pss_per_idle_kib")
        speed = results.ratio_of_workloads(workload, base, server.name)
        if kib is not None and speed is not None:
            yield (f"{server.name}: {speed:.2f} of the IOPS without idle connections,"
                   f" {kib:.1f} KiB for each of them")


def text(results, pairs, rounds):
    """All tables."""
    head = ["server", *(title for title, _, _ in COLUMNS), "spread", "IOPS to best", "CPU to best"]
    idle_base = next((one.name for one, _ in pairs if one.idle_connections == 0), None)
    parts = []
    for workload, taking_part in pairs:
        for group in ("direct", "cached"):
            members = [server for server in taking_part if server.group == group]
            rows = workload_rows(results, workload.name, members)
            if not rows:
                continue
            rounds_text = f"medians of {rounds} rounds" if rounds > 1 else "one round"
            lines = [f"{workload.name}, {group}, {rounds_text}", table(head, rows)]
            lines += ratio_lines(results, workload.name, members)
            lines += idle_lines(results, workload.name, idle_base, members)
            parts.append("\n".join(lines))
    parts += ["failed: " + failure for failure in results.failures]
    return "\n\n".join(parts)


def output_of(words, root):
    """Of a program; "unknown" without it."""
    try:
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=10)
    except OSError:
        return "unknown"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines and done.returncode == 0 else "unknown"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def facts(root, folder):
    """When, what and where."""
    changed = output_of(["git", "status", "--porcelain", "--untracked-files=no"], root)
    commit = output_of(["git", "rev-parse", "HEAD"], root)
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit + ("" if changed == "unknown" else " with changes"),
        "machine": {
            "system": f"{platform.system()} {platform.release()}", "processor": processor(),
            "processors": os.cpu_count(), "memory_gib": round(pages * page / (1 << 30), 1),
            "file_system": output_of(["findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)], root),
            "load": round(os.getloadavg()[0], 2)},
        "versions": {program: output_of([program, flag], root) for program, flag in
                     (("fio", "--version"), ("qemu-nbd", "--version"), ("nbdkit", "--version"),
                      ("nbd-server", "-V"))},
    }


def medians_by_workload(results):
    found = {}
    for workload, server in results.runs:
        found.setdefault(workload, {})[server] = {
            key: round(value, 3) for key, value in results.medians(workload, server).items()}
    return found


def ratios_by_workload(results, pairs):
    """Of each blockd to the best peer and to every other server of its group: [IOPS, CPU]."""
    found = {}
    for workload, taking_part in pairs:
        for server in taking_part:
            if not server.is_blockd:
                continue
            rivals = {other.name: [other.name] for other in taking_part
                      if other.group == server.group and other is not server}
            rivals["best"] = peers_of(server, taking_part)
            for name, names in rivals.items():
                pair = [results.ratio(workload.name, server.name, names, key)
                        for key in ("iops", "cpu_us")]
                if pair[0] is not None:
                    found.setdefault(workload.name, {}).setdefault(server.name, {})[name] = pair
    return found


def write_json(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what, indent=1) + "\n")


def append_history(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as history:
        history.write(json.dumps(what) + "\n")


def list_text(workloads):
    """What --list prints."""
    rows = []
    for server in server_table.all_servers():
        how = (json.dumps(server.config) if server.is_blockd
               else "fio, io_uring, O_DIRECT" if server.is_disk else " ".join(server.words))
        rows.append(f"  {server.name:27}{server.group:9}{how}")
    return "\n".join(["servers:", *rows, "workloads:",
                      *("  " + workload.name for workload in workloads)])
