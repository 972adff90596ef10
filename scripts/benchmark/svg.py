"""The comparison as a picture: for each of a few workloads a bar per server, its IOPS on the left,
its processor time per request on the right. It follows the reader's light or dark mode."""
from xml.sax.saxutils import escape

from benchmark import report

# What a reader wants to know first.
CHOSEN = (
    ("randread-4k-qd1", "direct", "4 KiB random reads, one at a time"),
    ("randread-4k-qd32", "direct", "4 KiB random reads, 32 in flight"),
    ("randwrite-4k-qd32", "direct", "4 KiB random writes, 32 in flight"),
    ("randwrite-4k-qd1-c16-fsync1", "direct", "4 KiB writes, each flushed, 16 connections"),
    ("read-256k-qd8", "direct", "256 KiB sequential reads, 8 in flight"),
    ("randread-4k-qd32-hot", "cached", "4 KiB random reads that a cache holds, 32 in flight"),
)

WIDTH = 860
NAME_WIDTH = 190
BAR_WIDTH = 210         # of the longest bar; its label stands behind it
RIGHT_COLUMN = 530      # where the bars of the processor time begin
LINE = 18
BAR_HEIGHT = 12
HEAD_HEIGHT = 34
TITLE_HEIGHT = 30

STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #24292f; }
    .title { font-weight: 600; font-size: 13px; }
    .faint { fill: #57606a; }
    .ours { fill: #0969da; }
    .peer { fill: #b6bec8; }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3; }
        .faint { fill: #9198a1; }
        .ours { fill: #4493f8; }
        .peer { fill: #4d5561; }
    }
"""


def short_number(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def blocks(results, pairs):
    """What is drawn: a title and, for each server, (name, whether it is ours, IOPS, their ratio to
    the best peer's or None, CPU us) of each chosen workload that was measured."""
    taking_part = {workload.name: servers for workload, servers in pairs}
    found = []
    for workload, group, title in CHOSEN:
        members = [server for server in taking_part.get(workload, ())
                   if server.group == group and not server.is_disk
                   and results.has(workload, server.name)]
        lines = []
        for server in members:
            medians = results.medians(workload, server.name)
            ratio = (results.ratio(workload, server.name, report.peers_of(server, members))
                     if server.is_blockd else None)
            lines.append((server.name, server.is_blockd, medians["iops"], ratio,
                          medians["cpu_us"]))
        if lines:
            found.append((title, lines))
    return found


def bar(x, y, share, kind, label):
    width = max(1, round(share * BAR_WIDTH))
    return [f'<rect class="{kind}" x="{x}" y="{y - 10}" width="{width}" height="{BAR_HEIGHT}"'
            ' rx="2"/>',
            f'<text x="{x + width + 6}" y="{y}">{escape(label)}</text>']


def draw(drawn, caption):
    """The picture's text. `drawn` is what blocks() gives; the caption says when and where."""
    y = HEAD_HEIGHT
    body = [f'<text class="faint" x="{NAME_WIDTH}" y="20">IOPS (to the best peer\'s):'
            ' more is better</text>',
            f'<text class="faint" x="{RIGHT_COLUMN}" y="20">server\'s CPU per request:'
            ' less is better</text>']
    for title, lines in drawn:
        y += TITLE_HEIGHT - LINE
        body.append(f'<text class="title" x="8" y="{y}">{escape(title)}</text>')
        y += LINE
        iops_max = max(line[2] for line in lines) or 1
        cpu_max = max(line[4] for line in lines) or 1
        for name, is_ours, iops, ratio, cpu_us in lines:
            kind = "ours" if is_ours else "peer"
            label = short_number(iops) + (f" ({ratio:.2f})" if ratio is not None else "")
            body.append(f'<text x="16" y="{y}">{escape(name)}</text>')
            body += bar(NAME_WIDTH, y, iops / iops_max, kind, label)
            body += bar(RIGHT_COLUMN, y, cpu_us / cpu_max, kind, f"{short_number(cpu_us)} us")
            y += LINE
    y += LINE
    body.append(f'<text class="faint" x="8" y="{y}">{escape(caption)}</text>')
    height = y + 10
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img">\n'
            f"<title>blockd compared with other NBD servers</title>\n<style>{STYLE}</style>\n"
            + "\n".join(body) + "\n</svg>\n")
