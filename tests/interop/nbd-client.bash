#!/bin/bash
# The Linux kernel's client: a block device over one and over four connections.
source "$(dirname "$0")/serve.bash"
PATH=$PATH:/usr/sbin:/sbin
require nbd-client blkdiscard
[ "$(id -u)" -eq 0 ] || skip "nbd-client needs root"
modprobe nbd 2>/dev/null || true
device=
for candidate in /dev/nbd*; do
    [ -b "$candidate" ] || continue
    if ! nbd-client -c "$candidate" >/dev/null; then
        device=$candidate
        break
    fi
done
[ -n "$device" ] || skip "this kernel has no free nbd device"

clean_up() { nbd-client -d "$device" >/dev/null 2>&1 || true; }

serve 64MiB
make_random_file "$folder/source" 64M
for connections in 1 4; do
    nbd-client -unix "$socket" "$device" -N demo -C "$connections"
    dd if="$folder/source" of="$device" bs=1M oflag=direct status=none
    cmp "$folder/source" "$disk" || fail "over $connections connections: the file differs"
    blkdiscard "$device"
    blkdiscard --zeroout "$device"
    nbd-client -d "$device"
    cmp -n $((64 << 20)) /dev/zero "$disk" || fail "it is not zero"
done
stop
