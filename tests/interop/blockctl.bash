#!/bin/bash
# blockctl against blockd, and against the servers of others, round trip.
source "$(dirname "$0")/serve.bash"
: "${BLOCKCTL:?names no program}"
other=

clean_up() {
    if [ -n "$other" ]; then
        kill "$other" 2>/dev/null || true
        wait "$other" 2>/dev/null || true
    fi
}

round_trip() {
    local target=$1
    "$BLOCKCTL" info --json "$target" | python3 -c 'import json, sys; json.load(sys.stdin)'
    "$BLOCKCTL" copy "$folder/source" "$target"
    "$BLOCKCTL" verify "$folder/source" "$target"
    "$BLOCKCTL" flush "$target"
    "$BLOCKCTL" copy "$target" "$folder/target"
    cmp "$folder/source" "$folder/target" || fail "$target: the copy differs"
    rm "$folder/target"
    "$BLOCKCTL" map --json "$target" | python3 -c 'import json, sys; json.load(sys.stdin)'
}

is_there() { [ -S "$1" ]; }

serve 64MiB
truncate -s 64M "$folder/source"
make_random_file "$folder/data" 20M
dd if="$folder/data" of="$folder/source" bs=1M seek=3 conv=notrunc status=none
"$BLOCKCTL" list "nbd+unix://?socket=$socket" | grep -q demo || fail "list does not tell demo"
round_trip "$uri"
cmp "$folder/source" "$disk" || fail "the data file differs"

if command -v qemu-nbd >/dev/null; then
    truncate -s 64M "$folder/qemu.img"
    qemu-nbd -f raw -t -x there -e 8 -k "$folder/qemu" "$folder/qemu.img" &
    other=$!
    eventually is_there "$folder/qemu" || fail "qemu-nbd does not serve"
    round_trip "nbd+unix:///there?socket=$folder/qemu"
    "$BLOCKCTL" copy "$uri" "nbd+unix:///there?socket=$folder/qemu"
    clean_up
    other=
fi
if command -v nbdkit >/dev/null; then
    nbdkit -f -U "$folder/nbdkit" memory 64M &
    other=$!
    eventually is_there "$folder/nbdkit" || fail "nbdkit does not serve"
    round_trip "nbd+unix:///?socket=$folder/nbdkit"
fi
stop
