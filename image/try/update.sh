#!/usr/bin/env bash
# The cycle of an update: image/try/update.sh. Builds version 1.0.1 and a broken 1.0.2 beside the built image (as 1.0.0), then:
# refused bundles (slot untouched), 1.0.1 over 1.0.0 with the data kept, 1.0.2 that comes back by itself, the reason kept.
# BASE=keep and BIN as in build.sh. Exits 0 when all of it is so.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target x86_64
# shellcheck source=lib.sh
. "$IMAGE/try/lib.sh"
need rauc:rauc qemu-system-x86_64:qemu-system-x86 mkfs.ext4:e2fsprogs
KEYS=${KEYS:-$WORK/keys}
trap guest_kill EXIT
mkdir -p "$TRY"
failed=0
check() { if [ "$2" = "$3" ]; then say "ok: $1: $2"; else say "FAILED: $1: \"$2\", expected \"$3\""; failed=$((failed + 1)); fi; }

stick=$TRY/stick
rm -rf "$stick"
mkdir -p "$stick"
if [ -z "${KEEP_IMAGES:-}" ]; then
    VERSION=1.0.0 "$IMAGE/steps/dress.sh" "$ARCH"
    VERSION=1.0.1 IMG=$TRY/v2.img "$IMAGE/steps/dress.sh" "$ARCH"
    VERSION=1.0.2 IMG=$TRY/v3.img LEAVE_BROKEN=1 "$IMAGE/steps/dress.sh" "$ARCH"
fi
bundle() { "$IMAGE/bundle.sh" "$ARCH" "$stick/$1.raucb" 2>/dev/null; }
IMG=$TRY/v2.img bundle good
IMG=$TRY/v3.img bundle broken
# What is to be refused needs no whole image: none of it may be written.
head -c 4194304 /dev/urandom >"$TRY/small.img"
IMG=$TRY/small.img VERSION=1.0.5 bundle small
IMG=$TRY/small.img VERSION=1.0.5 SIGN_CERT=$KEYS/other.pem SIGN_KEY=$KEYS/other.key bundle wrong-signature
IMG=$TRY/small.img VERSION=1.0.5 COMPATIBLE=calvaria-toaster bundle wrong-compatible
IMG=$TRY/small.img VERSION=0.9.9 bundle older
truncate -s $((SLOT_MIB + 1))M "$TRY/large.img"
IMG=$TRY/large.img VERSION=1.0.5 bundle no-room
head -c 3000000 "$stick/small.raucb" >"$stick/truncated.raucb"
cp "$stick/small.raucb" "$stick/altered.raucb"
printf X | dd of="$stick/altered.raucb" bs=1 seek=2000000 conv=notrunc status=none
rm "$stick/small.raucb" "$TRY"/{small,large}.img
rm -f "$TRY/stick.img"
mkfs.ext4 -q -L stick -d "$stick" "$TRY/stick.img" 900M
rm -rf "$stick"

disk=$TRY/update.img
guest_disk "$disk"
start() {
    local begun=$SECONDS
    guest_start "file=$disk,if=virtio,format=raw" "$TRY/update.console" -drive "file=$TRY/stick.img,if=virtio,format=raw,readonly=on"
    until_s 1200 confirmed || die "not confirmed in time"
    say "slot $(slot), version $(version), confirmed after $((SECONDS - begun)) s"
}
# A restart of the guest, until another boot is confirmed.
again() {
    local was begun=$SECONDS
    was=$(in_guest cat /proc/sys/kernel/random/boot_id)
    in_guest systemctl reboot || true
    until_s 2400 other_boot "$was" || die "did not come back"
    say "slot $(slot), version $(version), after $((SECONDS - begun)) s"
}
other_boot() {
    local now
    now=$(in_guest cat /proc/sys/kernel/random/boot_id) || return 1
    [ "$now" != "$1" ] && [ "$(version)" != "${AVOID:-}" ] && confirmed
}
stick() { in_guest "mkdir -p /run/stick; mountpoint -q /run/stick || mount -o ro,nosuid,nodev,noexec /dev/disk/by-label/stick /run/stick"; }
install_as() { in_guest "rauc install /run/stick/$1.raucb" 2>&1; }
other_slot_hash() { in_guest 'head -c 67108864 /dev/disk/by-partlabel/rootB | sha256sum | cut -c1-16'; }

start
check "slot at the start" "$(slot) $(version)" "A 1.0.0"
in_guest 'echo kept >/data/config/try.note'
id=$(in_guest cat /etc/machine-id)
before=$(other_slot_hash)
stick
# refused NAME WORDS: not taken, and for this reason.
refused() {
    local said
    if said=$(install_as "$1"); then
        check "$1" taken refused
    elif printf '%s' "$said" | grep -qi "$2"; then
        check "$1" refused refused
        say "    $(printf '%s' "$said" | grep -i "$2" | tail -n 1 | cut -c1-200)"
    else
        check "$1" "refused for another reason: $(printf '%s' "$said" | tail -n 2)" refused
    fi
}
refused wrong-signature 'signature verification failed'
refused wrong-compatible 'compatible'
refused truncated 'signature size\|bundle'
refused altered 'damaged\|handler'
refused older 'older\|handler'
refused no-room 'slot\|handler'
# What the handler said stands in RAUC's journal.
for words in 'the bundle is damaged' 'version 0.9.9 is older than 1.0.0' 'the image has .* bytes, the slot room for'; do
    check "said: $words" "$(in_guest "journalctl -b -u rauc --no-pager -o cat | grep -c 'refused: $words'")" 1
done
check "the other slot after them" "$(other_slot_hash)" "$before"
check "boot variables after them" "$(in_guest '/usr/bin/grub-editenv /boot/efi/calvaria/grubenv list' | sort | xargs)" "A_OK=1 A_TRY=0 B_OK=0 B_TRY=0 ORDER=A B"

begun=$SECONDS
install_as good >"$TRY/install.said" || { check "installation of 1.0.1" failed "done"; tail -n 5 "$TRY/install.said" >&2; }
say "installed in $((SECONDS - begun)) s"
again
check "after 1.0.1" "$(slot) $(version)" "B 1.0.1"
check "data" "$(in_guest cat /data/config/try.note)" kept
check "machine id" "$(in_guest cat /etc/machine-id)" "$id"

stick
install_as broken >"$TRY/install.said" || { check "installation of 1.0.2" failed "done"; tail -n 5 "$TRY/install.said" >&2; }
begun=$SECONDS
AVOID=1.0.2 again
say "came back by itself in $((SECONDS - begun)) s"
check "after the broken 1.0.2" "$(slot) $(version)" "B 1.0.1"
reason=$(in_guest cat /data/calvaria/update/boot.json)
say "reason kept: $reason"
check "reason" "$(printf %s "$reason" | grep -o '"version":"1.0.2","slot":"A","result":"bad"')" '"version":"1.0.2","slot":"A","result":"bad"'
check "boot variables" "$(in_guest '/usr/bin/grub-editenv /boot/efi/calvaria/grubenv list' | grep -c '^A_OK=0\|^B_OK=1\|^B_TRY=0')" 3
again
check "one start later" "$(slot) $(version)" "B 1.0.1"
rested
[ $failed -eq 0 ] || die "$failed checks failed"
say "all of it is so"
