"""blockd, serving one file on a unix socket and on a port of 127.0.0.1 that the system chose."""

import re
import subprocess

SOCKET = "blockd.sock"
EXPORT = "demo"
STOP_SECONDS_MAX = 30


class Misbehaved(Exception):
    """It did not start, ended by itself, or did not end when it should."""


class Daemon:
    """Its files lie in `folder`, and its socket's name is relative to it: such names are short."""

    def __init__(self, program, folder, size, environment):
        self.program = program
        self.folder = folder
        self.size = size
        self.environment = environment
        self.disk = folder / "disk.img"
        self.process = None
        self.port = None

    def start(self):
        """Returns when clients can connect."""
        with open(self.folder / "blockd.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--socket", SOCKET, "--port", "0", "--export", EXPORT,
                 "--size", self.size, self.disk.name],
                cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log,
                text=True)
        self.port = None
        for line in self.process.stdout:
            port = re.search(r"nbd://127\.0\.0\.1:(\d+)/", line)
            if port:
                self.port = int(port.group(1))
                return
        raise Misbehaved(f"blockd did not start: it left with {self.process.wait()}")

    def kill(self):
        """SIGKILL to a daemon that must be alive."""
        code = self.process.poll()
        if code is not None:
            raise Misbehaved(f"blockd ended by itself, with {code}")
        self.end()

    def stop(self):
        """SIGTERM, upon which it must leave with 0."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired as expired:
            raise Misbehaved(f"blockd did not stop within {STOP_SECONDS_MAX} s") from expired
        if code != 0:
            raise Misbehaved(f"blockd left with {code} after SIGTERM")
        self.end()

    def end(self):
        """Whatever became of it, it is gone afterwards."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None
