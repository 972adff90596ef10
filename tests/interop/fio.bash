#!/bin/bash
# fio: random writes that are read back and verified, over 1, 4 and 16 connections; a FLUSH after
# every write; mixed block sizes.
source "$(dirname "$0")/serve.bash"
require fio
fio --enghelp 2>/dev/null | grep -qw nbd || skip "this fio has no nbd engine"
serve 256MiB

run() {
    local name=$1
    shift
    (cd "$folder" && fio --name="$name" --ioengine=nbd --uri="$uri" --rw=randwrite \
        --verify=crc32c --verify_fatal=1 --group_reporting "$@") >"$folder/out" 2>&1 ||
        fail "fio $name: $(cat "$folder/out")"
    grep -q 'err= 0' "$folder/out" || fail "fio $name: $(cat "$folder/out")"
}

run one --bs=4k --iodepth=32 --size=48M
run four --bs=4k --iodepth=32 --size=16M --numjobs=4 --offset_increment=16M
run sixteen --bs=4k --iodepth=16 --size=4M --numjobs=16 --offset_increment=4M
run flushed --bs=4k --iodepth=4 --size=2M --fsync=1
run mixed --bsrange=512-128k --bs_unaligned=1 --iodepth=16 --size=32M
stop
