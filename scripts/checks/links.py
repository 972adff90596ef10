#!/usr/bin/env python3
"""Dead links in the documents: relative links, their anchors, and paths of this tree in `code`."""
import re
import sys

from project_files import project_files, report, root, text_of

link_pattern = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
code_pattern = re.compile(r"`([^`\s]+)`")
heading_pattern = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
fence_pattern = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)

# `code` that begins with one of these is a path of this tree.
folders = ("include/", "src/", "tests/", "scripts/", "docs/", "config/", "systemd/", "launchd/")


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    counts = {}
    for heading in heading_pattern.findall(fence_pattern.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = counts.get(anchor, 0)
        counts[anchor] = count + 1
        yield anchor if count == 0 else f"{anchor}-{count}"


def judge_link(path, target):
    if re.match(r"[a-z][a-z0-9+.\-]*:", target):
        return None
    name, _, anchor = target.partition("#")
    file = (root / path).parent / name if name else root / path
    if not file.exists():
        return f"dead link {target}"
    if anchor and file.suffix == ".md" and anchor not in set(anchors(file.read_text())):
        return f"dead anchor {target}"
    return None


def judge_code(target):
    target = re.sub(r":\d+$", "", target).rstrip(".,;")
    if not target.startswith(folders) or re.search(r"[<>*{}$…]|\.\.\.", target):
        return None
    return None if (root / target).exists() else f"no such path {target}"


def blanked(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def main():
    complaints = []
    for path in project_files():
        if path.suffix != ".md":
            continue
        text = fence_pattern.sub(blanked, text_of(path) or "")
        found = [(m.start(), judge_link(path, m.group(1))) for m in link_pattern.finditer(text)]
        found += [(m.start(), judge_code(m.group(1))) for m in code_pattern.finditer(text)]
        for offset, complaint in sorted(entry for entry in found if entry[1]):
            line = text.count("\n", 0, offset) + 1
            complaints.append(f"{path}:{line}: {complaint}")
    return report(complaints)


sys.exit(main())
