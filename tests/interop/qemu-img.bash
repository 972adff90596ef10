#!/bin/bash
# qemu-img: info, convert in and out, compare, map, bench.
source "$(dirname "$0")/serve.bash"
require qemu-img
serve 256MiB
truncate -s 256M "$folder/source"
for place in 0 64 200; do
    head -c 16M /dev/urandom |
        dd of="$folder/source" bs=1M seek=$place conv=notrunc iflag=fullblock status=none
done

qemu-img info "$uri" | grep -q '256 MiB' || fail "info tells another size"
qemu-img convert -n -f raw -O raw "$folder/source" "$uri"
cmp "$folder/source" "$disk" || fail "convert in: the file differs"
qemu-img compare -f raw -F raw "$folder/source" "$uri" || fail "compare: they differ"
qemu-img convert -f raw -O qcow2 "$uri" "$folder/target.qcow2"
qemu-img compare -f raw -F qcow2 "$folder/source" "$folder/target.qcow2" ||
    fail "convert out: the image differs"
qemu-img convert -n -m 16 -W -f qcow2 -O raw "$folder/target.qcow2" "$uri"
cmp "$folder/source" "$disk" || fail "convert back, out of order: the file differs"

qemu-img map --output=json -f raw "$uri" | python3 -c '
import json, sys
entries = json.load(sys.stdin)
assert sum(entry["length"] for entry in entries) == 256 << 20, entries
data = sum(entry["length"] for entry in entries if entry["data"])
assert data >= 48 << 20, entries'

qemu-img bench -c 2000 -d 16 -s 4096 -f raw "$uri" >/dev/null
qemu-img bench -c 2000 -d 16 -s 4096 -w --flush-interval=100 -f raw "$uri" >/dev/null
stop
