#!/bin/bash
# nbdcopy: 1 GiB in and out, over one and over four connections; sparse files stay sparse.
source "$(dirname "$0")/serve.bash"
require nbdcopy
serve 1GiB
make_random_file "$folder/source" 1G

for connections in 1 4; do
    nbdcopy --connections=$connections --requests=64 --flush "$folder/source" "$uri"
    cmp "$folder/source" "$disk" || fail "in over $connections connections: the file differs"
    nbdcopy --connections=$connections --requests=64 "$uri" "$folder/target"
    cmp "$folder/source" "$folder/target" || fail "out over $connections connections: it differs"
    rm "$folder/target"
    # So that the second round does not find what the first has written.
    python3 - "$folder/source" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    for offset in range(0, 1 << 30, 1 << 20):
        file.seek(offset)
        head = file.read(4096)
        file.seek(offset)
        file.write(head[::-1])
PYTHON
done
nbdcopy --flush --synchronous "$folder/source" "$uri"
cmp "$folder/source" "$disk" || fail "synchronous: the file differs"

# 1 GiB with 16 MiB of data: the rest becomes holes here, and stays holes there.
rm "$folder/source"
truncate -s 1G "$folder/source"
for place in 0 100 511 1008; do
    head -c 4M /dev/urandom |
        dd of="$folder/source" bs=1M seek=$place conv=notrunc iflag=fullblock status=none
done
nbdcopy "$folder/source" "$uri"
cmp "$folder/source" "$disk" || fail "sparse in: the file differs"
nbdcopy "$uri" "$folder/target"
cmp "$folder/source" "$folder/target" || fail "sparse out: the file differs"
for file in "$disk" "$folder/target"; do
    allocated=$(($(stat -c %b "$file") * 512))
    [ "$allocated" -lt $((64 << 20)) ] || fail "$file holds $allocated bytes of the disk"
done
stop
