"""Drives the server through libnbd; called by nbdsh.bash with the socket and the data file."""

import errno
import os
import sys

import nbd

SOCKET, DISK = sys.argv[1:3]
SIZE = 64 << 20


def connect(export="demo"):
    handle = nbd.NBD()
    handle.set_export_name(export)
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    handle.connect_unix(SOCKET)
    return handle


def expect_error(number, call, *arguments):
    try:
        call(*arguments)
    except nbd.Error as error:
        assert error.errnum == number, (call, arguments, error)
        return
    raise AssertionError(f"{call} {arguments} succeeded")


def check_facts(handle):
    assert handle.get_size() == SIZE
    assert handle.get_structured_replies_negotiated()
    assert handle.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    assert handle.can_multi_conn() and handle.can_flush() and handle.can_fua()
    assert handle.get_block_size(nbd.SIZE_MINIMUM) == 1


def check_data(handle):
    data = os.urandom(100_001)
    handle.pwrite(data, 12_345)
    assert handle.pread(len(data), 12_345) == data
    handle.pwrite(data, 1 << 20, nbd.CMD_FLAG_FUA)
    with open(DISK, "rb") as file:
        file.seek(1 << 20)
        assert file.read(len(data)) == data
    handle.zero(4096, 1 << 20)
    assert handle.pread(4097, 1 << 20) == bytes(4096) + data[4096:4097]
    handle.trim(SIZE, 0)
    handle.flush()
    handle.zero(SIZE, 0, nbd.CMD_FLAG_NO_HOLE)
    assert handle.pread(32 << 20, 0) == bytes(32 << 20)


def check_requests_in_flight(handle):
    blocks = {index * 8192: os.urandom(4096) for index in range(1000)}
    cookies = {handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), offset)
               for offset, data in blocks.items()}
    while cookies:
        handle.poll(-1)
        cookies = {cookie for cookie in cookies if not handle.aio_command_completed(cookie)}
    buffers = {offset: nbd.Buffer(4096) for offset in blocks}
    cookies = {handle.aio_pread(buffer, offset) for offset, buffer in buffers.items()}
    while cookies:
        handle.poll(-1)
        cookies = {cookie for cookie in cookies if not handle.aio_command_completed(cookie)}
    for offset, data in blocks.items():
        assert bytes(buffers[offset].to_bytearray()) == data, offset


def check_illegal_requests(handle):
    handle.set_strict_mode(0)
    expect_error(errno.EINVAL, handle.pread, 1024, SIZE - 512)
    expect_error(errno.ENOSPC, handle.pwrite, bytes(1024), SIZE - 512)
    expect_error(errno.EINVAL, handle.trim, 1024, SIZE - 512)
    expect_error(errno.ENOSPC, handle.zero, 1024, SIZE - 512)
    expect_error(errno.EINVAL, handle.pread, 512, 0, 1 << 9)
    handle.pread(512, 0)


def check_block_status(handle):
    handle.trim(SIZE, 0)
    handle.pwrite(os.urandom(65536), 8 << 20)
    entries = []
    handle.block_status(SIZE, 0, lambda context, offset, extents, error: entries.extend(extents))
    assert sum(entries[::2]) == SIZE, entries
    position = 0
    for size, flags in zip(entries[::2], entries[1::2]):
        if flags & nbd.STATE_ZERO:
            for offset in range(position, position + size, 16 << 20):
                count = min(16 << 20, position + size - offset)
                assert handle.pread(count, offset) == bytes(count), offset
        position += size


def check_connections(handle):
    others = [connect("") for _ in range(8)]
    for index, other in enumerate(others):
        other.pwrite(bytes([index + 1]) * 4096, index * 4096)
    handle.flush()
    expected = b"".join(bytes([index + 1]) * 4096 for index in range(8))
    for other in others:
        assert other.pread(8 * 4096, 0) == expected
        other.shutdown()


def main():
    handle = connect()
    check_facts(handle)
    check_data(handle)
    check_requests_in_flight(handle)
    check_illegal_requests(handle)
    check_block_status(handle)
    check_connections(handle)
    handle.shutdown()


main()
