#!/bin/bash
# A real ext4 on the export, through nbdfuse and a loop device: written, checked, read again after
# a restart of the daemon.
source "$(dirname "$0")/serve.bash"
PATH=$PATH:/usr/sbin:/sbin
require nbdfuse mkfs.ext4 e2fsck losetup mountpoint
[ -e /dev/fuse ] || skip "there is no /dev/fuse"
[ "$(id -u)" -eq 0 ] || skip "mounting needs root"
fuse=
loop=
mkdir "$folder/fuse" "$folder/mount"

detach() {
    if mountpoint -q "$folder/mount"; then umount "$folder/mount"; fi
    if [ -n "$loop" ]; then losetup -d "$loop"; fi
    loop=
    if mountpoint -q "$folder/fuse"; then umount "$folder/fuse"; fi
    if [ -n "$fuse" ]; then wait "$fuse" || true; fi
    fuse=
}
clean_up() { detach >/dev/null 2>&1 || true; }

is_attached() { kill -0 "$fuse" 2>/dev/null && [ -f "$folder/fuse/disk" ]; }

attach() {
    nbdfuse "$folder/fuse/disk" "$uri" >"$folder/fuse.log" 2>&1 &
    fuse=$!
    eventually is_attached || skip "nbdfuse does not mount: $(cat "$folder/fuse.log")"
}

mount_disk() {
    loop=$(losetup --find --show "$folder/fuse/disk" 2>"$folder/error") ||
        skip "no loop device: $(cat "$folder/error")"
    mount "$loop" "$folder/mount" 2>"$folder/error" || skip "no mount: $(cat "$folder/error")"
}

serve 256MiB
attach
mkfs.ext4 -qF "$folder/fuse/disk"
mount_disk
for name in one two three; do make_random_file "$folder/mount/$name" 20M; done
(cd "$folder/mount" && sha256sum one two three >sums)
rm "$folder/mount/two"
sync -f "$folder/mount"
detach
e2fsck -fn "$disk" >"$folder/out" 2>&1 || fail "e2fsck: $(cat "$folder/out")"

stop
serve 256MiB
attach
e2fsck -fn "$folder/fuse/disk" >"$folder/out" 2>&1 || fail "e2fsck: $(cat "$folder/out")"
mount_disk
(cd "$folder/mount" && grep -v two sums | sha256sum --check --quiet) || fail "other contents"
detach
stop
