"""The least of an NBD client: enough to see that a server answers, and to hold connections that are
attached and ask nothing."""
import resource
import socket
import struct

EXPORT = "disk"
ANSWER_SECONDS_MAX = 20

OPTION_GO = 7
REPLY_ACK = 1
REPLY_IS_ERROR = 1 << 31
NO_ZEROES = 1 << 1
COMMAND_DISCONNECT = 2
REQUEST_MAGIC = 0x25609513

# Files that are open beside the connections' own: a server's disk, listeners, rings; our pipes.
OTHER_FILES = 256


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the server closed the connection")
        data += part
    return data


def attach(address):
    """A connection in the transmission phase. The address is a path or (host, port)."""
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try:
        connection.settimeout(ANSWER_SECONDS_MAX)
        connection.connect(address)
        greeting = receive(connection, 18)
        if greeting[:16] != b"NBDMAGICIHAVEOPT":
            raise ConnectionError(f"no NBD greeting: {greeting!r}")
        flags = 1 | (struct.unpack(">H", greeting[16:])[0] & NO_ZEROES)
        name = EXPORT.encode()
        data = struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
        connection.sendall(struct.pack(">I8sII", flags, b"IHAVEOPT", OPTION_GO, len(data)) + data)
        while True:
            _, _, reply, length = struct.unpack(">QIII", receive(connection, 20))
            data = receive(connection, length)
            if reply & REPLY_IS_ERROR:
                raise ConnectionError(f"the export is refused: {reply:#x} {data!r}")
            if reply == REPLY_ACK:
                return connection
    except BaseException:
        connection.close()
        raise


def detach(connection):
    try:
        connection.sendall(struct.pack(">IHHQQI", REQUEST_MAGIC, 0, COMMAND_DISCONNECT, 0, 0, 0))
    except OSError:
        pass  # The server is gone already.
    connection.close()


def open_files_lack(count):
    """Why this many connections cannot be held, here or in a server; None when they can."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = count + OTHER_FILES
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        return None
    return f"{count} connections need {wanted} open files; the hard limit is {hard} (ulimit -Hn)"


class IdleClients:
    """So many attached connections, for as long as the context lasts."""

    def __init__(self, address, count):
        self.address, self.count, self.connections = address, count, []

    def __enter__(self):
        self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft = max(self.limits[0], min(self.count + OTHER_FILES, self.limits[1]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, self.limits[1]))
        try:
            for _ in range(self.count):
                self.connections.append(attach(self.address))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            detach(connection)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)
