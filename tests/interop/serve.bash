# shellcheck shell=bash
# What every interop script starts with: a folder of its own, and blockd serving a file in it.
#
#     source "$(dirname "$0")/serve.bash"
#     require nbdcopy             exit 77, with the reason, where a tool is missing
#     serve 64MiB                 blockd on $folder/disk.img; sets uri and socket
#     stop                        SIGTERM; it must leave with 0
#
# The environment names the programs: BLOCKD, BLOCKCTL. Whatever happens, the daemon is ended by
# its process id and the folder removed at the end.
set -euo pipefail

: "${BLOCKD:?names no program}"
folder=$(mktemp -d "${TMPDIR:-/tmp}/blockd-interop-XXXXXX")
socket=$folder/socket
disk=$folder/disk.img
# shellcheck disable=SC2034  # For the scripts that source this.
uri="nbd+unix:///demo?socket=$socket"
daemon=

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

require() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "there is no $tool"
    done
}

finish() {
    local status=$?
    if [ "$(type -t clean_up)" = function ]; then clean_up; fi
    if [ -n "$daemon" ]; then
        kill -KILL "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ] && [ -f "$folder/log" ]; then
        echo "exit $status; the daemon's log:"
        cat "$folder/log"
    fi
    rm -rf "$folder"
}
trap finish EXIT

# Calls a command until it succeeds, for at most 20 s.
eventually() {
    local deadline=$((SECONDS + 20))
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
        sleep 0.05
    done
}

is_ready() {
    kill -0 "$daemon" 2>/dev/null || fail "the daemon ended before it was ready"
    grep -q 'is ready' "$folder/log"
}

# serve SIZE [OPTION...]
serve() {
    local size=$1
    shift
    : >"$folder/log"
    "$BLOCKD" --socket "$socket" --export demo --size "$size" "$@" "$disk" \
        >>"$folder/log" 2>&1 &
    daemon=$!
    eventually is_ready || fail "the daemon is not ready in time"
}

stop() {
    local status=0
    kill -TERM "$daemon"
    wait "$daemon" || status=$?
    daemon=
    [ "$status" -eq 0 ] || fail "the daemon left with $status"
}

# make_random_file PATH SIZE
make_random_file() {
    head -c "$2" /dev/urandom >"$1"
}
