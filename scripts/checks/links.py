#!/usr/bin/env python3
"""The documents: dead links, relative ones, their anchors, and paths of this tree in `code`; and
shell blocks that cannot be pasted."""
import re
import sys

from project_files import project_files, report, root, text_of

link_pattern = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
code_pattern = re.compile(r"`([^`\s]+)`")
heading_pattern = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
fence_pattern = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)

shell_pattern = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
quoted_pattern = re.compile(r"'[^']*'|\"[^\"]*\"")

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


def comments(text):
    """Offsets of the lines with a comment: an interactive zsh, macOS' shell, takes # for a word."""
    for block in shell_pattern.finditer(text):
        offset = block.start(1)
        for line in block.group(1).splitlines(keepends=True):
            if re.search(r"(^|\s)#", quoted_pattern.sub("", line)):
                yield offset
            offset += len(line)


def blanked(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def main():
    complaints = []
    for path in project_files():
        if path.suffix != ".md":
            continue
        whole = text_of(path) or ""
        text = fence_pattern.sub(blanked, whole)
        found = [(offset, "a comment in a shell block") for offset in comments(whole)]
        found += [(m.start(), judge_link(path, m.group(1))) for m in link_pattern.finditer(text)]
        found += [(m.start(), judge_code(m.group(1))) for m in code_pattern.finditer(text)]
        for offset, complaint in sorted(entry for entry in found if entry[1]):
            line = text.count("\n", 0, offset) + 1
            complaints.append(f"{path}:{line}: {complaint}")
    return report(complaints)


sys.exit(main())
