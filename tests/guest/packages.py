"""What the guest is made of: packages of Debian, downloaded and unpacked, never installed."""

import os
import pathlib
import re
import shutil
import subprocess

NAMES = ("linux-image-amd64", "busybox-static", "e2fsprogs", "xfsprogs", "nbd-client")

# Of what these depend on, the guest needs libraries and the kernel that the first one stands for.
FOLLOWED = re.compile(r"lib|linux-image-")


class Unavailable(Exception):
    """Something is missing that only the operator can bring."""


def unpack(folder):
    """The root of all packages in one tree; made once, and complete as soon as it is there."""
    root = pathlib.Path(folder) / "root"
    if root.is_dir():
        return root
    for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"there is no {tool}: the guest is made of Debian's packages")
    if _output("dpkg", "--print-architecture").strip() != "amd64":
        raise Unavailable("the guest is made of packages for amd64")
    downloads = pathlib.Path(folder) / "packages"
    unfinished = pathlib.Path(folder) / "root.unfinished"
    for path in (downloads, unfinished):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    names = _with_libraries()
    print(f"guest: downloading {len(names)} packages")
    _output("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names, folder=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _output("dpkg-deb", "-x", str(package), str(unfinished))
    shutil.rmtree(downloads)
    os.rename(unfinished, root)
    return root


def _with_libraries():
    listing = _output("apt-cache", "depends", "--recurse", "--important", *NAMES)
    dependencies = {}
    name = None
    for line in listing.splitlines():
        if line[:1] not in (" ", "|"):
            name = line
            dependencies[name] = []
            continue
        match = re.match(r"[ |]*(?:Pre)?Depends: ([^<\s]+)$", line)
        if match and FOLLOWED.match(match.group(1)):
            dependencies[name].append(match.group(1))
    found = list(NAMES)
    for name in found:
        if name not in dependencies:
            raise Unavailable(f"apt knows no package {name}: is this Debian, and was apt-get "
                              "update run?")
        found += [wanted for wanted in dependencies[name] if wanted not in found]
    return found


def _output(*command, folder=None):
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        raise Unavailable(f"{' '.join(command[:4])}... failed: {result.stderr.strip()}")
    return result.stdout
