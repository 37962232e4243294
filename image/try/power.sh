#!/usr/bin/env bash
# Power cuts: image/try/power.sh [SEED]. One run is recorded write by write (first boot, then the installation of the bundle
# $BUNDLE, without it the built image once more); then the disk is made as a cut would leave it: what was flushed is there, of the rest
# what the seed gives. Killing QEMU alone would lose nothing that the guest had written.
# FIRST moments of the first boot (5), INSTALL of the installation (7), ENV in writes of the boot partition (3), MIGRATION in writes
# of the store and its log in the first boot (3): the disk begins with a store of version 1. Each is looked at without starting it
# (partition table, boot variables, the slot that GRUB would take is whole, data repaired by fsck, every row of the store there);
# BOOT=all (or a number) starts that many of them to a confirmed slot. RECORDED=keep takes the run of the last time.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target x86_64
# shellcheck source=lib.sh
. "$IMAGE/try/lib.sh"
need debugfs:e2fsprogs qemu-system-x86_64:qemu-system-x86 python3:python3 sgdisk:gdisk mcopy:mtools e2fsck:e2fsprogs grub-editenv:grub-common
seed=${1:-1}
out=$WORK/$ARCH
log=$TRY/power.log base=$TRY/power.base disk=$TRY/power.img
trap guest_kill EXIT
mkdir -p "$TRY"
cut() { python3 "$IMAGE/lib/cut.py" "$@"; }

if [ "${RECORDED:-}" != keep ] || [ ! -s "$log.marks" ]; then
    bundle=${BUNDLE:-$TRY/power.raucb}
    [ -n "${BUNDLE:-}" ] || "$IMAGE/bundle.sh" "$ARCH" "$bundle" 2>/dev/null
    mkdir -p "$TRY/stick"
    cp "$bundle" "$TRY/stick/update.raucb"
    rm -f "$TRY/stick.img"
    mkfs.ext4 -q -L stick -d "$TRY/stick" "$TRY/stick.img" 300M
    rm -rf "$TRY/stick"
    guest_tree
    rm -rf "$TRY/tree/calvaria"
    mkdir -p "$TRY/tree/calvaria"
    cp "$REPO/tests/fixtures/store-v1/pepper" "$TRY/tree/calvaria/"
    python3 - "$REPO/tests/fixtures/store-v1/store.sql" "$TRY/tree/calvaria/store.db" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[2])
db.executescript(open(sys.argv[1]).read())
db.close()
P
    chmod -R go= "$TRY/tree/calvaria"
    KEEP_TREE=1 guest_disk "$base"
    rm -rf "$TRY/tree/calvaria"
    cp --sparse=always "$base" "$disk"
    rm -f "$log" "$log.marks"
    : >"$log"
    guest_start "driver=blklogwrites,file.driver=file,file.filename=$disk,log.driver=file,log.filename=$log,if=virtio" \
        "$TRY/power.console" -drive "file=$TRY/stick.img,if=virtio,format=raw,readonly=on"
    until_s 1800 confirmed || die "not confirmed"
    in_guest sync
    cut count "$log" >"$log.marks"
    in_guest 'mkdir -p /run/stick; mount -o ro /dev/disk/by-label/stick /run/stick; rauc install /run/stick/update.raucb; sync' >/dev/null
    in_guest sync
    cut count "$log" >>"$log.marks"
    guest_kill
fi
read -r -d '' booted installed < <(cat "$log.marks") || true
say "recorded: $booted writes in the first boot, $((installed - booted)) in the installation"

esp_first=2048 esp_last=$((2048 + ESP_MIB * 2048))
data_at=$(((1 + ESP_MIB + 2 * SLOT_MIB) * 1048576))
# Sectors of the store, its log and its copy, as they lay in the end.
dd if="$disk" of="$TRY/power.data" bs=1M skip=$((data_at / 1048576)) conv=sparse status=none
mapfile -t store_at < <(for file in store.db store.db-wal store.v1.db; do
    debugfs -R "blocks /calvaria/$file" "$TRY/power.data" 2>/dev/null | tr ' ' '\n' | sed '/^[0-9][0-9]*$/!d' |
        awk -v at=$((data_at / 512)) '{print at + $1 * 8; print at + $1 * 8 + 8}'
done)
[ ${#store_at[@]} -gt 0 ] || die "no store on the data partition"
mapfile -t moments < <(
    { cut moments "$log" 0 "$booted" "${FIRST:-5}" "$seed"
      cut moments "$log" "$booted" "$installed" "${INSTALL:-7}" "$((seed + 1))"
      cut moments "$log" "$booted" "$installed" "${ENV:-3}" "$((seed + 2))" $esp_first $esp_last
      cut moments "$log" 0 "$booted" "${MIGRATION:-3}" "$((seed + 3))" "${store_at[@]}"; } | tr ' ' '\n' | sed '/^$/d')

v1=$(cat "$out/rootfs.sha256")
# slot_is A|B: the sha256 of as many bytes as the built image has.
slot_is() {
    local at=$((1 + ESP_MIB))
    [ "$1" = A ] || at=$((at + SLOT_MIB))
    dd if="$disk" bs=1M skip=$at count=$(($(stat -c %s "$out/rootfs.img") / 1048576 + 1)) status=none | head -c "$(stat -c %s "$out/rootfs.img")" |
        sha256sum | cut_field
}
# Every case and every line of the record that was there, in a store that SQLite calls whole.
store_is() {
    rm -f "$TRY"/power.store*
    debugfs -R "dump /calvaria/store.db $TRY/power.store" "$TRY/power.data" >/dev/null 2>&1
    debugfs -R "dump /calvaria/store.db-wal $TRY/power.store-wal" "$TRY/power.data" >/dev/null 2>&1
    python3 - "$TRY/power.store" "$REPO/tests/fixtures/store-v1/store.sql" <<'P'
import sqlite3, sys
was = sqlite3.connect(":memory:")
was.executescript(open(sys.argv[2]).read())
now = sqlite3.connect(sys.argv[1])
whole = now.execute("PRAGMA integrity_check").fetchone()[0]
last = was.execute("SELECT max(seq) FROM event").fetchone()[0]
rows = "SELECT code, received FROM job ORDER BY code", f"SELECT seq, at, body, hash FROM event WHERE seq <= {last} ORDER BY seq"
assert whole == "ok", whole
for ask in rows:
    a, b = was.execute(ask).fetchall(), now.execute(ask).fetchall()
    assert a == b, (a, b)
print("store of version", now.execute("PRAGMA user_version").fetchone()[0])
P
}
cut_field() { sed 's/ .*//'; }
# What GRUB would take, by the same rules as grub.cfg.
pick() {
    local env=$TRY/power.env name ok try slot
    for name in grubenv grubenv.bak; do
        rm -f "$env"
        MTOOLS_SKIP_CHECK=1 mcopy -n -i "$disk@@1048576" "::calvaria/$name" "$env" 2>/dev/null || continue
        if grub-editenv "$env" list 2>/dev/null | grep -q '^ORDER='; then break; fi
    done
    declare -A v=([ORDER]="A B" [A_OK]=1 [B_OK]=1 [A_TRY]=0 [B_TRY]=0)
    while IFS='=' read -r name ok; do v[$name]=$ok; done < <(grub-editenv "$env" list 2>/dev/null)
    for slot in ${v[ORDER]}; do
        ok=${v[${slot}_OK]} try=${v[${slot}_TRY]}
        if [ "$ok" = 1 ] && [ "$try" -lt 3 ]; then echo "$slot"; return; fi
    done
    echo "${v[ORDER]%% *}"
}

whole=0 started=0 bad=0
to_start=${BOOT:-0}
[ "$to_start" != all ] || to_start=${#moments[@]}
for moment in "${moments[@]}"; do
    cp --sparse=always "$base" "$disk"
    cut make "$log" "$disk" "$moment" "$((seed * 1000 + moment))" >"$TRY/power.made"
    fault=
    sgdisk -p "$disk" 2>/dev/null | grep -q ' rootB' || fault="partition table"
    slot=$(pick)
    if [ "$slot" = A ] || [ -z "${BUNDLE:-}" ]; then
        [ "$(slot_is "$slot")" = "$v1" ] || fault="$fault slot $slot is not whole"
    fi
    dd if="$disk" of="$TRY/power.data" bs=1M skip=$((data_at / 1048576)) conv=sparse status=none
    rc=0
    e2fsck -p "$TRY/power.data" >"$TRY/power.fsck" 2>&1 || rc=$?
    [ $rc -le 1 ] || fault="$fault fsck of data: $rc"
    e2fsck -fn "$TRY/power.data" >>"$TRY/power.fsck" 2>&1 || fault="$fault data not whole after fsck"
    store=$(store_is 2>&1) || fault="$fault store: $(printf %s "$store" | tail -n 1)"
    if [ -z "$fault" ]; then whole=$((whole + 1)); else bad=$((bad + 1)); fi
    say "$(cat "$TRY/power.made"); slot $slot; $(printf %s "$store" | tail -n 1); ${fault:-whole}"
    if [ $started -lt "$to_start" ]; then
        guest_firmware
        begun=$SECONDS
        guest_start "file=$disk,if=virtio,format=raw" "$TRY/power.$moment.console" 
        if until_s 2400 confirmed; then
            started=$((started + 1))
            say "started: slot $(slot), version $(version), $((SECONDS - begun)) s; $(in_guest 'test -s /data/config/calvaria.toml && test -s /data/calvaria/store.db && echo data there')"
        else
            bad=$((bad + 1))
            say "DID NOT START: $TRY/power.$moment.console"
        fi
        guest_kill
    fi
done
rm -f "$TRY/power.data"
say "$whole of ${#moments[@]} whole, $started started, $bad bad"
[ $bad -eq 0 ]
