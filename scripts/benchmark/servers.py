"""The servers that are compared, and one of them while it runs.

Another configuration of blockd is one more line of `blockds()`: a name, the group, and what it adds
to the config. A direct server goes around the page cache, a cached one has the page cache or a
cache of its own between itself and the disk; they are compared within their group.
"""
import dataclasses
import json
import shutil
import socket
import subprocess
import time

from benchmark import idle_clients, processes

EXPORT = idle_clients.EXPORT
START_SECONDS_MAX = 20
CONNECTIONS_MAX = 16384     # of a blockd that is measured beside idle clients


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    group: str                          # direct or cached
    words: tuple = ()                   # of a peer's command line, with {file}
    config: dict | None = None          # what a blockd adds to its config
    has_own_cache: bool = False
    connections_max: int | None = None  # that it takes when they come all at once

    @property
    def is_blockd(self):
        return self.config is not None

    @property
    def is_disk(self):
        """No server at all: fio on the file itself."""
        return not self.words and not self.is_blockd

    @property
    def uses_page_cache(self):
        return self.group == "cached" and not self.has_own_cache

    def __hash__(self):
        return hash(self.name)


def blockds():
    def backend(name):
        return {"io": {"backend": name}}

    page_cache = {"exports": [{"direct": False}]}
    own_cache = {"exports": [{"cache": {"size": "512MiB", "mode": "write-through"}}]}
    return [
        Server("blockd-io_uring", "direct", config=backend("io_uring")),
        Server("blockd-kqueue", "direct", config=backend("kqueue")),
        Server("blockd-pagecache-io_uring", "cached", config=backend("io_uring") | page_cache),
        Server("blockd-pagecache-kqueue", "cached", config=backend("kqueue") | page_cache),
        Server("blockd-cache", "cached", config=own_cache, has_own_cache=True),
        Server("blockd-cache-kqueue", "cached", config=backend("kqueue") | own_cache,
               has_own_cache=True),
    ]


def peers():
    def qemu(cache, aio):
        group = "direct" if cache == "none" else "cached"
        return Server(f"qemu-{cache}-{aio}", group, (
            "qemu-nbd", "--persistent", "--shared=0", "--format=raw", f"--cache={cache}",
            f"--aio={aio}", f"--export-name={EXPORT}", "{file}"))

    return [
        qemu("none", "io_uring"), qemu("none", "native"), qemu("none", "threads"),
        qemu("writeback", "threads"), qemu("writeback", "io_uring"),
        Server("nbdkit-file", "cached", ("nbdkit", "--foreground", "file", "{file}")),
        # It lets ten clients wait for it to accept them; a unix socket refuses the next ones.
        Server("nbd-server", "cached", ("nbd-server",), connections_max=8),
    ]


def all_servers():
    return blockds() + peers() + [Server("disk", "direct")]


def merged(config, added):
    """A config and what is added to it: objects key by key, lists entry by entry."""
    if isinstance(config, dict) and isinstance(added, dict):
        return config | {key: merged(config[key], value) if key in config else value
                         for key, value in added.items()}
    if isinstance(config, list) and isinstance(added, list):
        shared = min(len(config), len(added))
        return ([merged(*pair) for pair in zip(config, added)]
                + config[shared:] + added[shared:])
    return added


class Place:
    """Where a server listens: a unix socket, or a free port of 127.0.0.1."""

    def __init__(self, folder, is_tcp):
        self.path, self.port = folder / "socket", None
        self.path.unlink(missing_ok=True)
        if is_tcp:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]

    @property
    def address(self):
        return ("127.0.0.1", self.port) if self.port else str(self.path)

    @property
    def uri(self):
        if self.port:
            return f"nbd://127.0.0.1:{self.port}/{EXPORT}"
        return f"nbd+unix:///{EXPORT}?socket={self.path}"


class Failed(Exception):
    """A server, or fio, did not do its work; the text says what it said."""


class Runner:
    """Starts servers: one at a time, their sockets and configs in `folder`, whose path is short as
    a socket's must be."""

    def __init__(self, blockd, folder):
        self.blockd, self.folder = blockd, folder
        self.log = folder / "server.log"

    def lack(self, server, file):
        """Why the server cannot take part; None when it can."""
        if server.is_disk:
            return None
        if not server.is_blockd:
            found = shutil.which(server.words[0])
            return None if found else f"{server.words[0]} is not installed"
        path = self.write_config(server, file, Place(self.folder, False))
        check = subprocess.run([self.blockd, "--config", path, "--check"], capture_output=True,
                               text=True, timeout=START_SECONDS_MAX)
        if check.returncode == 0:
            return None
        said = (check.stderr + check.stdout).strip().splitlines() or ["no reason given"]
        return "blockd refuses its config: " + said[0].removeprefix(f"{path}: ")

    def start(self, server, file, is_tcp=False, has_idle_clients=False):
        """A running server, to be used as a context."""
        if has_idle_clients and server.is_blockd:
            room = {"limits": {"connections": CONNECTIONS_MAX}}
            server = dataclasses.replace(server, config=merged(server.config, room))
        return RunningServer(self, server, file, Place(self.folder, is_tcp))

    def write_config(self, server, file, place):
        listener = ({"tcp": "127.0.0.1", "port": place.port} if place.port
                    else {"unix": str(place.path)})
        config = {"listeners": [listener], "exports": [{"name": EXPORT, "file": str(file)}],
                  "log": {"level": "warning"}}
        path = self.folder / "blockd.json"
        path.write_text(json.dumps(merged(config, server.config), indent=4) + "\n")
        return path

    def command(self, server, file, place):
        if server.is_blockd:
            return [self.blockd, "--config", self.write_config(server, file, place)]
        program = server.words[0]
        words = [word.format(file=file) for word in server.words]
        if program == "nbd-server":
            return words + self.nbd_server_arguments(file, place)
        host, port, path = {"qemu-nbd": ("--bind", "--port", "--socket"),
                            "nbdkit": ("--ipaddr", "--port", "--unix")}[program]
        where = ([host, "127.0.0.1", port, str(place.port)] if place.port
                 else [path, str(place.path)])
        return words[:1] + where + words[1:]

    def nbd_server_arguments(self, file, place):
        """It takes its listener from a config only, and goes to the background always."""
        where = (f"listenaddr = 127.0.0.1\nport = {place.port}" if place.port
                 else f"unixsock = {place.path}")
        config, pid_file = self.folder / "nbd-server.conf", self.folder / "nbd-server.pid"
        config.write_text(f"[generic]\n{where}\n[{EXPORT}]\nexportname = {file}\n"
                          "flush = true\nfua = true\ntrim = true\n")
        pid_file.unlink(missing_ok=True)
        return ["-C", str(config), "-p", str(pid_file)]


class RunningServer:
    """One server that answers, for as long as the context lasts."""

    def __init__(self, runner, server, file, place):
        self.runner, self.server, self.file, self.place = runner, server, file, place
        self.child, self.identity = None, None

    def __enter__(self):
        words = self.runner.command(self.server, self.file, self.place)
        try:
            with open(self.runner.log, "wb") as log:
                self.child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                              stderr=log)
            self.identity = processes.identity(self.child.pid)
            self.wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.child is None:
            return
        if self.child.poll() is not None:
            self.has_gone_to_the_background()
        processes.end(self.identity, self.child.poll)

    @property
    def pid(self):
        return self.identity[0]

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        problem = "no answer"
        while time.monotonic() < deadline:
            if self.child.poll() is not None and not self.has_gone_to_the_background():
                raise Failed(f"{self.server.name} left with {self.child.returncode}: {self.said()}")
            try:
                idle_clients.detach(idle_clients.attach(self.place.address))
                return
            except OSError as error:
                problem = error
            time.sleep(0.01)
        raise Failed(f"{self.server.name} does not serve: {problem}; {self.said()}")

    def has_gone_to_the_background(self):
        """Only nbd-server does, and leaves the id of its daemon in a file, a moment later."""
        if self.server.words[:1] != ("nbd-server",) or self.child.returncode != 0:
            return False
        try:
            pid = int((self.runner.folder / "nbd-server.pid").read_text())
        except (OSError, ValueError):
            return True
        self.identity = processes.identity(pid)
        return self.identity is not None

    def said(self):
        """The end of what it logged."""
        return self.runner.log.read_text(errors="replace").strip()[-300:] or "it said nothing"
