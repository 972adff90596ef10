#!/usr/bin/env python3
"""systemd accepts the unit, and finds it hardened.

Arguments: the unit, the blockd that was built. The unit names the installed program; a copy of
it that names the built one is what is verified.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

EXPOSURE_MAX = 2.0  # systemd's own scale from 0 to 10; an unprotected service has 9.6.


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                          check=False)


def main():
    unit_path, program = sys.argv[1:]
    if shutil.which("systemd-analyze") is None:
        print("skipped: there is no systemd-analyze")
        sys.exit(77)

    with open(unit_path, encoding="utf-8") as file:
        unit = file.read()
    problems = []
    for line in ("Type=notify", "KillSignal=SIGTERM", "NoNewPrivileges=yes",
                 "ProtectSystem=strict", "StateDirectory=blockd", "RuntimeDirectory=blockd"):
        if line not in unit.splitlines():
            problems.append(f"{line} is missing")
    if unit.count("/usr/local/bin/blockd ") != 1:
        problems.append("ExecStart must name /usr/local/bin/blockd")

    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "blockd.service")
        with open(copy, "w", encoding="utf-8") as file:
            file.write(unit.replace("/usr/local/bin/blockd", os.path.abspath(program)))
        verified = analyze("verify", "--man=no", copy)
        if verified.returncode != 0 or verified.stderr.strip():
            problems.append(f"systemd-analyze verify: {verified.stderr.strip()}")
        security = analyze("security", "--offline=true", copy)
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", security.stdout)
        if exposure is None:
            print("systemd-analyze security says nothing:", security.stderr.strip())
        elif float(exposure[1]) > EXPOSURE_MAX:
            problems.append(f"its exposure is {exposure[1]}, at most {EXPOSURE_MAX} is allowed")

    print("\n".join(problems))
    sys.exit(1 if problems else 0)


main()
