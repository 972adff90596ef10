#!/bin/bash
# nbdinfo: what the negotiation tells, and the map of data and holes.
source "$(dirname "$0")/serve.bash"
require nbdinfo
serve 16MiB

nbdinfo "$uri" >"$folder/text"
for fact in 'export="demo"' 'export-size: 16777216' 'is_read_only: false' 'can_flush: true' \
    'can_fua: true' 'can_trim: true' 'can_zero: true' 'can_df: true' 'can_multi_conn: true' \
    'base:allocation' 'block_size_minimum: 1' 'block_size_preferred: 4096' \
    'block_size_maximum: 33554432'; do
    grep -q "$fact" "$folder/text" || fail "nbdinfo does not tell $fact: $(cat "$folder/text")"
done
[ "$(nbdinfo --size "$uri")" = 16777216 ] || fail "another size"
nbdinfo --json "$uri" | python3 -c '
import json, sys
export = json.load(sys.stdin)["exports"][0]
assert export["export-size"] == 16777216, export
assert export["contexts"] == ["base:allocation"], export'
nbdinfo --list "nbd+unix://?socket=$socket" | grep -q 'export="demo"' || fail "not in the list"
nbdinfo --can connect "nbd+unix:///?socket=$socket" || fail "no default export"
if nbdinfo "nbd+unix:///nobody?socket=$socket" 2>"$folder/error"; then
    fail "an export that is not there"
fi

nbdinfo --map "$uri" | awk '{ sum += $2 } END { exit sum != 16777216 }' ||
    fail "the map does not add up"
stop
