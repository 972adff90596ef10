#!/bin/bash
# kill -9 in the middle of writes, several times. After each restart every write that had FUA, or
# that was followed by an answered FLUSH, is there.
source "$(dirname "$0")/serve.bash"
require python3
fio=

clean_up() {
    if [ -n "$fio" ]; then
        kill "$fio" 2>/dev/null || true
        wait "$fio" 2>/dev/null || true
    fi
}

seed=${SEED:-$RANDOM}
echo "seed $seed"
for round in 1 2 3 4 5; do
    serve 128MiB
    # The writers have the first 64 MiB; fio makes noise in the rest.
    if command -v fio >/dev/null && fio --enghelp 2>/dev/null | grep -qw nbd; then
        (cd "$folder" && exec fio --name=noise --ioengine=nbd --uri="$uri" --rw=randwrite --bs=16k \
            --iodepth=32 --offset=64M --size=64M --time_based --runtime=60) \
            >"$folder/fio.log" 2>&1 &
        fio=$!
    fi
    python3 "$(dirname "$0")/kill9.py" write "$socket" "$folder/record" "$daemon" \
        "$((seed + round))"
    wait "$daemon" 2>/dev/null || true
    daemon=
    clean_up
    fio=
    serve 128MiB
    python3 "$(dirname "$0")/kill9.py" check "$socket" "$folder/record"
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || true
    daemon=
done
serve 128MiB
stop
