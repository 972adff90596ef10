"""Writes to the server until it is killed, keeping a record of what must survive; checks it later.

    kill9.py write SOCKET RECORD PID SEED     writers, a flusher, then SIGKILL to PID
    kill9.py check SOCKET RECORD

Each 4 KiB block belongs to one writer, which counts its versions up and fills every 512-byte
sector with (block, version). Of a block the record keeps the newest version that was promised to
be durable, and the newest that was ever sent: afterwards each sector must lie between the two.
"""

import json
import os
import random
import signal
import socket
import struct
import sys
import threading

EXPORT = b"demo"
BLOCK_SIZE = 4096
SECTOR_SIZE = 512
BLOCK_COUNT = 16384
WRITER_COUNT = 4
DEPTH = 8
READ, WRITE, FLUSH = 0, 1, 3
FUA = 1


class Gone(Exception):
    """The server is no longer there."""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.receive(18)
        data = struct.pack(">I", len(EXPORT)) + EXPORT + struct.pack(">H", 0)
        self.send(struct.pack(">I8sII", 3, b"IHAVEOPT", 7, len(data)) + data)
        while True:
            _, _, kind, size = struct.unpack(">QIII", self.receive(20))
            self.receive(size)
            if kind == 1:
                return
            assert kind == 3, f"GO was refused: {kind:#x}"

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone from error

    def receive(self, size):
        data = bytearray()
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except OSError as error:
                raise Gone from error
            if not piece:
                raise Gone
            data += piece
        return bytes(data)

    def send_request(self, command, flags, cookie, offset, size, payload=b""):
        self.send(struct.pack(">IHHQQI", 0x25609513, flags, command, cookie, offset, size)
                  + payload)

    def receive_reply(self):
        magic, error, cookie = struct.unpack(">IIQ", self.receive(16))
        assert magic == 0x67446698 and error == 0, (hex(magic), error)
        return cookie


def block_bytes(block, version):
    return struct.pack(">QQ", block, version) * (BLOCK_SIZE // 16)


class Versions:
    """Of every block: what was sent, answered, and promised to be durable. Guarded by `lock`."""

    def __init__(self, record):
        self.lock = threading.Lock()
        self.sent = record["sent"]
        self.answered = list(record["durable"])
        self.durable = record["durable"]


def write_blocks(path, versions, writer, seed):
    """Keeps DEPTH writes in flight, a tenth of them with FUA; one per block at a time."""
    numbers = random.Random(seed)
    client = Client(path)
    in_flight = {}
    try:
        while True:
            while len(in_flight) < DEPTH:
                block = numbers.randrange(BLOCK_COUNT // WRITER_COUNT) * WRITER_COUNT + writer
                if block in in_flight:
                    continue
                flags = FUA if numbers.random() < 0.1 else 0
                with versions.lock:
                    versions.sent[block] += 1
                    version = versions.sent[block]
                in_flight[block] = (version, flags)
                client.send_request(WRITE, flags, block, block * BLOCK_SIZE, BLOCK_SIZE,
                                    block_bytes(block, version))
            block = client.receive_reply()
            version, flags = in_flight.pop(block)
            with versions.lock:
                versions.answered[block] = version
                if flags & FUA:
                    versions.durable[block] = max(versions.durable[block], version)
    except Gone:
        pass


def flush_all(path, versions):
    """What was answered to anyone before this FLUSH was sent is durable once it is answered."""
    client = Client(path)
    try:
        while True:
            with versions.lock:
                answered = list(versions.answered)
            client.send_request(FLUSH, 0, 1, 0, 0)
            client.receive_reply()
            with versions.lock:
                versions.durable[:] = map(max, versions.durable, answered)
    except Gone:
        pass


def write(path, record_path, process, seed):
    empty = {"sent": [0] * BLOCK_COUNT, "durable": [0] * BLOCK_COUNT}
    record = empty
    if os.path.exists(record_path):
        with open(record_path, encoding="ascii") as file:
            record = json.load(file)
    versions = Versions(record)
    threads = [
        threading.Thread(target=write_blocks, args=(path, versions, writer, seed * 10 + writer))
        for writer in range(WRITER_COUNT)]
    threads.append(threading.Thread(target=flush_all, args=(path, versions)))
    for thread in threads:
        thread.start()
    before = sum(versions.durable)
    wanted = random.Random(seed).randrange(500, 5000)
    pause = threading.Event()
    for _ in range(6000):
        is_alive = all(map(threading.Thread.is_alive, threads))
        if sum(versions.durable) - before >= wanted or not is_alive:
            break
        pause.wait(0.01)
    os.kill(process, signal.SIGKILL)
    for thread in threads:
        thread.join()
    promised = sum(versions.durable) - before
    assert promised >= wanted, f"only {promised} of {wanted} writes became durable"
    with open(record_path, "w", encoding="ascii") as file:
        json.dump({"sent": versions.sent, "durable": versions.durable}, file)
    print(f"{sum(versions.sent)} sent, {promised} more promised to be durable")


def check(path, record_path):
    with open(record_path, encoding="ascii") as file:
        record = json.load(file)
    client = Client(path)
    count = 64
    for first in range(0, BLOCK_COUNT, count):
        client.send_request(READ, 0, 1, first * BLOCK_SIZE, count * BLOCK_SIZE)
        client.receive_reply()
        data = client.receive(count * BLOCK_SIZE)
        for block in range(first, first + count):
            check_block(block, data[(block - first) * BLOCK_SIZE:][:BLOCK_SIZE],
                        record["durable"][block], record["sent"][block])
    durable_count = sum(1 for version in record["durable"] if version > 0)
    print(f"{durable_count} blocks were promised, and are there")
    assert durable_count > 0


def check_block(block, data, durable, sent):
    for offset in range(0, BLOCK_SIZE, SECTOR_SIZE):
        sector = data[offset:offset + SECTOR_SIZE]
        number, version = struct.unpack(">QQ", sector[:16])
        assert sector == sector[:16] * (SECTOR_SIZE // 16), f"block {block} is torn in a sector"
        assert version == 0 or number == block, f"block {block} holds block {number}"
        assert durable <= version <= sent, \
            f"block {block}, sector at {offset}: {version}, promised {durable}, sent {sent}"


if sys.argv[1] == "write":
    write(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
else:
    check(sys.argv[2], sys.argv[3])
