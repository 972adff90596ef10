#!/bin/bash
# qemu-io: patterns, zeroes with and without unmapping, discard, FUA, and the map.
source "$(dirname "$0")/serve.bash"
require qemu-io
serve 64MiB

# qemu-io leaves with 0 although a pattern differs: what it says counts.
run() {
    qemu-io -f raw "$@" "$uri" >"$folder/out" 2>&1 || fail "qemu-io $*: $(cat "$folder/out")"
    if grep -qiE 'fail|error|verif' "$folder/out"; then
        fail "qemu-io $*: $(cat "$folder/out")"
    fi
}

run -c 'write -P 0xab 0 64k' -c 'write -z 64k 64k' -c 'write -zu 128k 64k' \
    -c 'discard 256k 64k' -c flush -c 'read -P 0xab 0 64k' -c 'read -P 0 64k 128k' \
    -c 'write -f -P 0xcd 1M 4k' -c 'read -P 0xcd 1M 4k' -c map
run -c 'write -P 0x11 0 1M' -c 'write -P 0x22 4097 511' -c 'read -P 0x11 0 4097' \
    -c 'read -P 0x22 4097 511' -c 'read -P 0x11 4608 4k'
run -c 'write -P 0x33 8M 24M' -c 'write -z 9M 1M' -c 'discard 10M 1M' -c 'read -P 0x33 8M 1M' \
    -c 'read -P 0 9M 1M' -c 'read -P 0x33 11M 21M'
run -c 'aio_write -P 0x44 32M 1M' -c 'aio_write -P 0x55 33M 1M' -c aio_flush \
    -c 'read -P 0x44 32M 1M' -c 'read -P 0x55 33M 1M'

python3 - "$disk" <<'PYTHON'
import sys
with open(sys.argv[1], "rb") as file:
    file.seek(32 << 20)
    assert file.read(2 << 20) == b"\x44" * (1 << 20) + b"\x55" * (1 << 20)
PYTHON
stop
