#!/bin/bash
# libnbd from Python: requests in flight, illegal requests, several connections, block status.
source "$(dirname "$0")/serve.bash"
[ -x /usr/bin/python3 ] || skip "there is no /usr/bin/python3"
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "python3 has no libnbd"
serve 64MiB
/usr/bin/python3 "$(dirname "$0")/nbdsh.py" "$socket" "$disk"
stop
