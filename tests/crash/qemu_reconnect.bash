#!/bin/bash
# A virtual machine's disk survives the daemon: qemu-io with reconnect-delay goes on over kill -9
# and a new start, several times, and what was acknowledged is there.
source "$(dirname "$0")/../interop/serve.bash"
require qemu-io
qemu=
clean_up() {
    if [ -n "$qemu" ]; then
        kill -KILL "$qemu" 2>/dev/null || true
        wait "$qemu" 2>/dev/null || true
    fi
}

# said COUNT TEXT: qemu-io has said it that often.
said() {
    [ "$(grep -c "$2" "$folder/out")" -ge "$1" ]
}

serve 64MiB
mkfifo "$folder/commands"
qemu-io --image-opts "driver=nbd,export=demo,reconnect-delay=60,server.type=unix,$(
    )server.path=$socket" <"$folder/commands" >"$folder/out" 2>&1 &
qemu=$!
exec {commands}>"$folder/commands"

echo 'write -P 1 0 64k' >&"$commands"
eventually said 1 'wrote 65536/65536' || fail "qemu-io does not write: $(cat "$folder/out")"
for round in 1 2 3; do
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || true
    # Sent to nobody: it waits for the server that comes. (qemu-io takes one line at a time.)
    echo "write -f -P $((round + 1)) 0 64k" >&"$commands"
    serve 64MiB
    eventually said $((round + 1)) 'wrote 65536/65536' ||
        fail "qemu-io has not come back: $(cat "$folder/out")"
    echo "read -P $((round + 1)) 0 64k" >&"$commands"
    eventually said "$round" 'read 65536/65536' || fail "no read: $(cat "$folder/out")"
done
echo quit >&"$commands"
exec {commands}>&-
wait "$qemu" || fail "qemu-io left with an error: $(cat "$folder/out")"
qemu=
if grep -qiE 'fail|verif' "$folder/out"; then fail "$(cat "$folder/out")"; fi
[ "$(od -An -tx1 -N1 "$disk")" = ' 04' ] || fail "the last write is not on the disk"
stop
