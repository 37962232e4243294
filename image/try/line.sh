#!/usr/bin/env bash
# The whole line in the guest: a DICOM study in the drop folder becomes a design, a release prints on the virtual printer.
# image/try/line.sh. The built image, a fresh disk; a phantom made here by its own program. Says how long each part took.
# SPEED is how many times faster than life the virtual printer is (600 without); LIMIT_S for each part (7200).
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target x86_64
# shellcheck source=lib.sh
. "$IMAGE/try/lib.sh"
need qemu-system-x86_64:qemu-system-x86 python3:python3 curl:curl
export GUEST_MIB=${GUEST_MIB:-4096}
API=$((PAGE + 2))
PIN=246810
trap 'kill "${TUNNEL:-}" 2>/dev/null || true; guest_kill' EXIT
mkdir -p "$TRY"

rm -rf "$TRY/head"
"$WORK/$ARCH/calvaria" phantom --out "$TRY/head" --seed 7 --defect ftp --chord 50 --model "$REPO/models" >/dev/null
guest_disk "$TRY/line.img"
begun=$SECONDS
guest_start "file=$TRY/line.img,if=virtio,format=raw" "$TRY/line.console"
until_s 1200 page_answers || die "no page"
until_s 600 in_guest true || die "no ssh"
say "page and ssh after $((SECONDS - begun)) s"

# The printer's time runs faster; a design under emulation may take longer than on a box.
in_guest "mkdir -p /run/systemd/system/calvaria-printer.service.d
    printf '[Service]\nExecStart=\nExecStart=/usr/bin/calvaria printer --virtual-speed ${SPEED:-600}\n' >/run/systemd/system/calvaria-printer.service.d/try.conf
    printf '\n[design]\ntime_s = 14400\ndevice = \"cpu\"\n' >>/data/config/calvaria.toml
    systemctl daemon-reload; systemctl restart calvaria-printer calvaria
    printf '$PIN\n' | CALVARIA_CONFIG=/data/config/calvaria.toml setpriv --reuid calvaria --regid calvaria --init-groups \
        calvaria operator add Try --role supervisor --pin-stdin"
tar -C "$TRY/head" -cf - dicom | in_guest 'mkdir /data/in && tar -C /data/in -xf - && chown -R calvaria:calvaria /data/in && mv /data/in/dicom /data/calvaria/drop/head'
say "study in the drop folder"

# As on the box itself: a tunnel to its loopback.
ssh -q -N -i "$TRY/key" -p "$SSH" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -L "127.0.0.1:$API:127.0.0.1:443" \
    root@127.0.0.1 &
TUNNEL=$!
jobs_are() { curl -fsk -m 60 "https://127.0.0.1:$API/api/v1/jobs"; }
field() { jobs_are | python3 -c 'import json,sys
d = json.load(sys.stdin); d = d.get("jobs", d) if isinstance(d, dict) else d
print((d[0].get(sys.argv[1]) or "") if d else "")' "$1"; }
state_is() { local now; now=$(field state) || return 1; [ "$now" = "$1" ]; }
over() { case $(field state) in awaiting_release | awaiting-release | refused | failed) ;; *) return 1 ;; esac; }
begun=$SECONDS
until_s "${LIMIT_S:-7200}" over || die "no design: $(field state)"
say "$(field state) after $((SECONDS - begun)) s"
code=$(field code)
body=$(curl -fsk "https://127.0.0.1:$API/api/v1/jobs/$code" | python3 -c 'import json,sys
j = json.load(sys.stdin)
print(json.dumps({"operator": "Try", "pin": sys.argv[1], "sha256": j["gcode_sha256"], "spool": "PLA", "side": j.get("side"), "bed_clear": True}))' "$PIN")
begun=$SECONDS
curl -fsk -m 60 -H 'Content-Type: application/json' -d "$body" "https://127.0.0.1:$API/api/v1/jobs/$code/release"
echo
until_s "${LIMIT_S:-7200}" state_is printed || die "not printed: $(field state)"
say "printed after $((SECONDS - begun)) s"
in_guest "tail -n 2 /data/calvaria/printer/journal.jsonl | cut -c1-300"
kill "$TUNNEL" 2>/dev/null || true
rested
